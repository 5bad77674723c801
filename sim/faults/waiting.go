package faults

import (
	"net/http"
	"time"

	"github.com/ratecheck/ratecheck/sim"
)

// slowRefusal is how long a refusal takes under the fault of that name.
const slowRefusal = 400 * time.Millisecond

func waitingFaults() []Fault {
	return []Fault{{
		Name: "slow-refusals", Breaks: "refusal/quick",
		Sentence: "a refusal takes 400 ms, as where a proxy tries other deployments before it gives up",
		Apply: func(p *sim.Parts) {
			p.Wrap = func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					next.ServeHTTP(&headerWriter{ResponseWriter: w, change: func(_ http.Header, status int) int {
						if status == http.StatusTooManyRequests {
							_ = p.Clock.Sleep(r.Context(), slowRefusal) // who has left reads no answer
						}
						return 0
					}}, r)
				})
			}
		},
	}}
}
