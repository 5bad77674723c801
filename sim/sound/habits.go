package sound

import (
	"bytes"
	"compress/gzip"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/sim"
)

// Habits returns ways to speak HTTP that are as right as the reference's. Beside
// them everything must pass as it does without. Those that a connection is
// needed for do nothing in the embedded world.
func Habits() []Limiter {
	wrapping := func(name, sentence string, wrap func(clock.Clock, http.Handler) http.Handler) Limiter {
		return Limiter{Name: name, Sentence: sentence, Apply: func(p *sim.Parts) {
			p.Wrap = func(next http.Handler) http.Handler { return wrap(p.Clock, next) }
		}}
	}
	heads := func(name, sentence string, change func(c clock.Clock, h http.Header, status int)) Limiter {
		return wrapping(name, sentence, func(c clock.Clock, next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(&headWriter{ResponseWriter: w, change: func(h http.Header, status int) { change(c, h, status) }}, r)
			})
		})
	}
	return []Limiter{
		wrapping("gzip", "compresses every answer, streams too, for a client that accepts it", zipped),
		wrapping("odd-chunks", "sends streams in pieces of seven bytes", streamsThrough(inSevens)),
		wrapping("crlf", "ends the lines of streams with CRLF", streamsThrough(crlf)),
		wrapping("early-hints", "sends 103 before every answer", func(_ clock.Clock, next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Link", "</docs>; rel=help")
				w.WriteHeader(http.StatusEarlyHints)
				next.ServeHTTP(w, r)
			})
		}),
		heads("odd-case", "writes header names in lower case and in capitals", oddCase),
		heads("http-date", "tells Retry-After as a date, by a clock of whole seconds", func(c clock.Clock, h http.Header, _ int) {
			retryAsDate(h, c.Now())
		}),
		heads("late-clock", "tells Retry-After as a date, and the Date, by a clock that is 90 s late", func(c clock.Clock, h http.Header, _ int) {
			now := c.Now().Add(-90 * time.Second)
			retryAsDate(h, now)
			h.Set("Date", now.UTC().Format(http.TimeFormat))
			if at, err := time.Parse(resetAtLayout, h.Get("Reset_at")); err == nil {
				h.Set("Reset_at", at.Add(now.Sub(c.Now())).Format(resetAtLayout))
			}
		}),
		heads("closes", "closes the connection after a refusal", func(_ clock.Clock, h http.Header, status int) {
			if status == http.StatusTooManyRequests {
				h.Set("Connection", "close")
			}
		}),
	}
}

// resetAtLayout is how a refusal tells when its limit resets (rule 24).
const resetAtLayout = "2006-01-02 15:04:05 UTC"

// retryAsDate writes the instant at which the seconds are over, cut to the
// second as an HTTP-date is.
func retryAsDate(h http.Header, now time.Time) {
	if wait, err := time.ParseDuration(h.Get("Retry-After") + "s"); err == nil {
		h.Set("Retry-After", now.Add(wait).UTC().Format(http.TimeFormat))
	}
}

func oddCase(_ clock.Clock, h http.Header, _ int) {
	for i, name := range slices.Sorted(maps.Keys(h)) {
		odd := strings.ToLower(name)
		if i%2 == 1 {
			odd = strings.ToUpper(name)
		}
		// net/http looks these up by their canonical names.
		if name == "Content-Length" || name == "Date" || name == "Connection" || odd == name {
			continue
		}
		h[odd] = h[name]
		delete(h, name)
	}
}

// piecesWriter sends the body of a stream in other pieces.
type piecesWriter struct {
	headWriter
	stream bool
	cut    func([]byte) [][]byte
}

func (w *piecesWriter) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if !w.stream {
		return w.ResponseWriter.Write(p)
	}
	for _, piece := range w.cut(p) {
		if _, err := w.ResponseWriter.Write(piece); err != nil {
			return 0, err
		}
		w.Flush()
	}
	return len(p), nil
}

func streamsThrough(cut func([]byte) [][]byte) func(clock.Clock, http.Handler) http.Handler {
	return func(_ clock.Clock, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p := &piecesWriter{cut: cut}
			p.ResponseWriter = w
			p.change = func(h http.Header, _ int) {
				if p.stream = strings.HasPrefix(h.Get("Content-Type"), "text/event-stream"); p.stream {
					h.Del("Content-Length")
				}
			}
			next.ServeHTTP(p, r)
		})
	}
}

func inSevens(p []byte) [][]byte {
	const size = 7
	var pieces [][]byte
	for ; len(p) > size; p = p[size:] {
		pieces = append(pieces, p[:size])
	}
	return append(pieces, p)
}

func crlf(p []byte) [][]byte {
	return [][]byte{bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))}
}

// zipWriter compresses an answer.
type zipWriter struct {
	headWriter
	zip *gzip.Writer
}

func (w *zipWriter) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.zip.Write(p)
}

// Flush sends what was written so far.
func (w *zipWriter) Flush() {
	_ = w.zip.Flush() // a client that has left is told by the next write
	w.headWriter.Flush()
}

func zipped(_ clock.Clock, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			next.ServeHTTP(w, r)
			return
		}
		z := &zipWriter{zip: gzip.NewWriter(w)}
		z.ResponseWriter = w
		z.change = func(h http.Header, _ int) {
			h.Set("Content-Encoding", "gzip")
			h.Del("Content-Length")
		}
		r.Header.Del("Accept-Encoding") // the upstream's answer is to come plain
		next.ServeHTTP(z, r)
		_ = z.zip.Close()
	})
}
