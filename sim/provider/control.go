package provider

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
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
		var reg Registration
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
		if err == nil {
			err = json.Unmarshal(body, &reg)
		}
		if err != nil || reg.Nonce == "" {
			writeError(w, http.StatusBadRequest, "invalid_request_error", "mock provider: want {\"nonce\": ..., \"script\": {...}}")
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
				writeError(w, http.StatusBadRequest, "invalid_request_error", "mock provider: from must be a number of calls, not "+strconv.Quote(text))
				return
			}
			from = n
		}
		calls, inFlight := p.Finished(from)
		writeJSON(w, http.StatusOK, Ledger{Now: p.now(), InFlight: inFlight, Finished: p.ended(), Calls: calls})
	})
}

// handshakeText is what a call is answered whose script asks for a handshake.
func handshakeText(nonce string) string { return "ratecheck provider " + nonce }
