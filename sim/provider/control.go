package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// ControlRegister and ControlCalls are the paths by which a runner in another
// process tells the provider what to answer and reads its ledger.
const (
	ControlRegister = "/ratecheck/scripts"
	ControlCalls    = "/ratecheck/calls"
)

// Registration is the body of a POST to ControlRegister.
type Registration struct {
	Nonce  string         `json:"nonce"`
	Script history.Script `json:"script"`
}

// Ledger is the answer to GET ControlCalls?from=N.
type Ledger struct {
	// Now is the provider's time in the count of the calls' times.
	Now      time.Duration `json:"now_ns"`
	InFlight int           `json:"in_flight"`
	// Finished is how many calls have ended so far.
	Finished int            `json:"finished"`
	Calls    []history.Call `json:"calls"`
}

func (p *Provider) control() {
	p.mux.HandleFunc("POST "+ControlRegister, func(w http.ResponseWriter, r *http.Request) {
		reg, err := readRegistration(http.MaxBytesReader(w, r.Body, MaxBody))
		if err != nil {
			writeError(w, http.StatusBadRequest, "mock provider: "+err.Error()+"; want {\"nonce\": ..., \"script\": {...}}")
			return
		}
		p.Register(reg.Nonce, reg.Script)
		w.WriteHeader(http.StatusNoContent)
	})
	p.mux.HandleFunc("GET "+ControlCalls, func(w http.ResponseWriter, r *http.Request) {
		from := 0
		if text := r.URL.Query().Get("from"); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				writeError(w, http.StatusBadRequest, "mock provider: from must be a number of calls, not "+strconv.Quote(text))
				return
			}
			from = n
		}
		calls, inFlight := p.Finished(from)
		writeJSON(w, http.StatusOK, Ledger{Now: p.now(), InFlight: inFlight, Finished: p.ended(), Calls: calls})
	})
}

// readRegistration reads a registration. A field that this provider does not
// know is an error: the calls would be answered otherwise than the runner
// thinks.
func readRegistration(body io.Reader) (Registration, error) {
	var reg Registration
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&reg); err != nil {
		return reg, fmt.Errorf("the body is no registration: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return reg, errors.New("there is more behind the registration")
	}
	if len(reg.Nonce) > maxDirective || !isDirective(reg.Nonce) || strings.TrimSpace(reg.Nonce) != reg.Nonce {
		return reg, fmt.Errorf("the nonce %.100q could not be found in a text: it must hold a lower-case letter, and no more than these, digits and = , . _ -", reg.Nonce)
	}
	return reg, checkScript(reg.Script)
}

// checkScript finds what a script cannot be answered with.
func checkScript(s history.Script) error {
	for _, field := range []struct {
		name  string
		value int64
		most  int64
	}{
		{"prompt_tokens", s.PromptTokens, maxPromptTokens},
		{"completion_tokens", s.CompletionTokens, maxCompletionTokens},
		{"cached_tokens", s.CachedTokens, maxPromptTokens},
		{"latency_ns", int64(s.Latency), math.MaxInt64},
		{"fail_first", int64(s.FailFirst), math.MaxInt64},
		{"chunks", int64(s.Chunks), math.MaxInt64},
		{"chunk_delay_ns", int64(s.ChunkDelay), math.MaxInt64},
		{"cut_after", int64(s.CutAfter), math.MaxInt64},
	} {
		if field.value < 0 || field.value > field.most {
			return fmt.Errorf("%s is %d and must be from 0 to %d", field.name, field.value, field.most)
		}
	}
	if s.Status != 0 && !isStatus(s.Status) {
		return fmt.Errorf("status is %d and must be 0 or from 200 to 599", s.Status)
	}
	return nil
}

// handshakeText is what a call is answered whose script asks for a handshake.
func handshakeText(nonce string) string { return "ratecheck provider " + nonce }
