package reference

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
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
func refuse(w http.ResponseWriter, shape errorShape, now time.Time, items []Item, d Decision) {
	it := items[d.Item]
	h := w.Header()
	setRateHeaders(h, items, now, now, nil)
	h.Set("Rate_limit_type", d.Kind.String())
	resets := now.Add(it.After[d.Kind].Reset)
	if d.Never {
		h.Set("X-Should-Retry", "false")
	} else {
		h.Set("Retry-After", strconv.FormatInt(wholeSeconds(d.RetryAfter), 10))
		h.Set("Retry-After-Ms", strconv.FormatInt(roundUpMilliseconds(d.RetryAfter), 10))
		resets = now.Add(d.RetryAfter)
	}
	// Rounded up like retry-after: who comes back then does not come too soon.
	resets = resets.Add(time.Second - 1).Truncate(time.Second)
	at := resets.UTC().Format("2006-01-02 15:04:05 UTC")
	h.Set("Reset_at", at)
	writeError(w, shape, http.StatusTooManyRequests, "throttling_error", fmt.Sprintf(
		"Rate limit exceeded for %s: %s. Limit type: %s. Current limit: %d, Remaining: %d. Limit resets at: %s",
		it.Scope, it.shownValue(), d.Kind, it.Limits[d.Kind], it.After[d.Kind].Remaining, at))
}

func roundUpMilliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// identify finds whose request it is; false where the key is nobody's.
func (p *Proxy) identify(r *http.Request) (caller, bool) {
	// The name of the scheme has no case (RFC 9110, 11.1).
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	bearer = strings.TrimSpace(bearer)
	if !strings.EqualFold(scheme, "Bearer") {
		bearer = ""
	}
	if bearer == "" && shapeOf(r) == anthropicShape {
		bearer = strings.TrimSpace(r.Header.Get("X-Api-Key")) // as Anthropic's clients send it
	}
	if bearer == "" {
		return caller{}, false
	}
	policy, known := p.Keys.Lookup(bearer)
	if !known {
		return caller{}, false
	}
	c := caller{Policy: policy, hash: policy.Key.Hash}
	if c.hash == "" {
		c.hash = hashOf([]byte(bearer))
	}
	return c, true
}

// authorize finds whose request it is, or answers 401, or 403 where the key is
// blocked.
func (p *Proxy) authorize(w http.ResponseWriter, r *http.Request) (caller, bool) {
	c, known := p.identify(r)
	switch {
	case !known:
		w.Header().Set("WWW-Authenticate", "Bearer")
		writeError(w, shapeOf(r), http.StatusUnauthorized, "invalid_request_error", "no such key: send the key as Authorization: Bearer KEY")
		return c, false
	case c.Key.Blocked:
		writeError(w, shapeOf(r), http.StatusForbidden, "permission_error", "the key is blocked")
		return c, false
	}
	c.tellSpend(w.Header())
	c.tellLimits(w.Header())
	return c, true
}

// reject answers a request that is wrong in itself. It charges nothing and
// shows a key what it has left.
func (p *Proxy) reject(w http.ResponseWriter, r *http.Request, status int, message string) {
	p.rejectAs(w, r, status, "invalid_request_error", message)
}

// rejectAs is reject with a type of error in OpenAI's words.
func (p *Proxy) rejectAs(w http.ResponseWriter, r *http.Request, status int, kind, message string) {
	if c, known := p.identify(r); known && !c.Key.Blocked {
		p.showRates(w, &c)
	}
	writeError(w, shapeOf(r), status, kind, message)
}

// unanswered answers for an upstream that gave none, and gives back what the
// request held.
func (h *held) unanswered(ctx context.Context, w http.ResponseWriter) {
	switch {
	case h.client.Err() != nil:
		// The upstream has read what it was sent, and was told to stop.
		h.finish(h.produced(0))
		writeError(w, h.shape, http.StatusServiceUnavailable, "server_error", "the request was cancelled before the upstream answered")
	case ctx.Err() != nil:
		h.finish(0)
		writeError(w, h.shape, http.StatusGatewayTimeout, "server_error", "the upstream did not answer in time")
	default:
		h.finish(0)
		writeError(w, h.shape, http.StatusBadGateway, "server_error", "the upstream could not be reached")
	}
}

// writeError writes an error as the endpoint's clients read it; kind is its type
// in OpenAI's words.
func writeError(w http.ResponseWriter, shape errorShape, status int, kind, message string) {
	if shape == anthropicShape {
		body := anthropicError{Type: "error"}
		body.Error.Type, body.Error.Message = anthropicType(status, kind), message
		writeJSON(w, status, body)
		return
	}
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
