package reference

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// statusError is an error that is answered in LiteLLM's shape.
type statusError struct {
	status               int
	kind, param, message string
}

func (e *statusError) Error() string { return e.message }

func notFound(param, format string, args ...any) error {
	return &statusError{http.StatusNotFound, "not_found_error", param, fmt.Sprintf(format, args...)}
}

func badRequest(param, format string, args ...any) error {
	return &statusError{http.StatusBadRequest, "bad_request_error", param, fmt.Sprintf(format, args...)}
}

// unreadable is why a body could not be read.
func unreadable(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return &statusError{http.StatusRequestEntityTooLarge, "bad_request_error", "", fmt.Sprintf("the body is larger than %d bytes", large.Limit)}
	}
	return badRequest("", "the body could not be read: %v", err)
}

// writeAdminError answers in LiteLLM's two shapes: FastAPI's list of fields for
// what is wrong in a form, an error object for all else.
func writeAdminError(w http.ResponseWriter, err error) {
	var invalid *invalidError
	if errors.As(err, &invalid) {
		writeJSON(w, http.StatusUnprocessableEntity, map[string]any{"detail": invalid.fields})
		return
	}
	told := &statusError{http.StatusInternalServerError, "internal_server_error", "", "the registry failed: " + err.Error()}
	errors.As(err, &told)
	if told.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	body := errorBody{Error: errorDetail{Message: told.message, Type: told.kind, Param: textOrNull(told.param), Code: strconv.Itoa(told.status)}}
	writeJSON(w, told.status, body)
}
