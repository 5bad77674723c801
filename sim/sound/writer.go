package sound

import (
	"net/http"
)

// headWriter changes the headers of an answer just before they go out.
type headWriter struct {
	http.ResponseWriter
	change func(h http.Header, status int)
	wrote  bool
}

func (w *headWriter) WriteHeader(status int) {
	if !w.wrote && status >= http.StatusOK {
		w.wrote = true
		w.change(w.Header(), status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *headWriter) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// Flush sends what was written so far.
func (w *headWriter) Flush() {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}
