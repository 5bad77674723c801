package reference

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// errorBody is an error in OpenAI's shape.
type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
}

// refuse answers 429 with all that a client needs to come back at the right
// time (rule 24), or not at all (rule 17).
func refuse(w http.ResponseWriter, now time.Time, items []Item, d Decision) {
	it := items[d.Item]
	h := w.Header()
	setRateHeaders(h, items, nil)
	h.Set("rate_limit_type", d.Kind.String())
	resets := now.Add(it.After[d.Kind].Reset)
	if d.Never {
		h.Set("x-should-retry", "false")
	} else {
		h.Set("retry-after", strconv.FormatInt(wholeSeconds(d.RetryAfter), 10))
		h.Set("retry-after-ms", strconv.FormatInt(roundUpMilliseconds(d.RetryAfter), 10))
		resets = now.Add(d.RetryAfter)
	}
	at := resets.UTC().Format("2006-01-02 15:04:05 UTC")
	h.Set("reset_at", at)
	writeError(w, http.StatusTooManyRequests, "throttling_error", fmt.Sprintf(
		"Rate limit exceeded for %s: %s. Limit type: %s. Current limit: %d, Remaining: %d. Limit resets at: %s",
		it.Scope, it.Value, d.Kind, it.Limits[d.Kind], it.After[d.Kind].Remaining, at))
}

func roundUpMilliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

func writeError(w http.ResponseWriter, status int, kind, message string) {
	writeJSON(w, status, errorBody{Error: errorDetail{Message: message, Type: kind, Code: strconv.Itoa(status)}})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "encoding the answer failed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
