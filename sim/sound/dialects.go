package sound

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim"
)

// Dialects returns limiters that are right and tell it in other words than the
// reference, or at other times. None may be accused of anything; what they do
// not tell is not judged.
func Dialects() []Limiter {
	return append(headerDialects(), []Limiter{
		{
			Name:     "nearest-limit",
			Sentence: "tells the limit that is nearest to its end alone (agentgateway), refuses with problem+json, and says 400 to what can never fit",
			Apply:    func(p *sim.Parts) { p.Wrap = inOtherWords },
		},
		{
			Name: "late-charge", Sentence: "checks whether anything is left, and charges 0.4 s after the answer", CheckThenCharge: true,
			Apply: func(p *sim.Parts) { p.Store = &lateSettler{&ChargeAfter{Store: p.Store}, p.Clock} },
		},
		{
			Name: "late-settle", Sentence: "reserves half as much again as the reference, and settles 0.4 s after the answer",
			Apply: func(p *sim.Parts) { p.Store = &lateSettler{&ownEstimate{Store: p.Store}, p.Clock} },
		},
	}...)
}

// lateSettler settles beside the answer, as limiters do that write to a store
// that is not theirs. They were measured to take 0.2 to 0.5 s.
type lateSettler struct {
	reference.Store
	clock clock.Clock
}

// Settle changes what was reserved into what was used, a little later.
func (s *lateSettler) Settle(_ time.Time, items []reference.Item, used int64) {
	const late = 400 * time.Millisecond
	kept := append([]reference.Item(nil), items...)
	s.clock.Go("late settlement", func() {
		_ = s.clock.Sleep(context.Background(), late)
		s.Store.Settle(s.clock.Now(), kept, used)
	})
}

// inOtherWords says all that a limiter has to say, and nothing as the reference
// does.
func inOtherWords(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := &otherWords{}
		o.ResponseWriter = w
		o.change = func(h http.Header, status int) {
			tellNearest(h)
			if o.refused = status == http.StatusTooManyRequests; !o.refused {
				return
			}
			h.Set("Content-Type", "application/problem+json")
			for _, name := range []string{"Content-Length", "Rate_limit_type", "Reset_at", "Retry-After-Ms"} {
				h.Del(name)
			}
			o.never = h.Get("X-Should-Retry") == "false"
			h.Del("X-Should-Retry")
		}
		next.ServeHTTP(o, r)
	})
}

// otherWords writes a problem in the place of a refusal's body.
type otherWords struct {
	headWriter
	refused, never, said bool
}

func (w *otherWords) WriteHeader(status int) {
	if !w.wrote && status >= http.StatusOK {
		w.wrote = true
		w.change(w.Header(), status)
	}
	if w.never {
		status = http.StatusBadRequest
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *otherWords) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case !w.refused:
		return w.ResponseWriter.Write(p)
	case w.said:
		return len(p), nil
	}
	w.said = true
	const problem = `{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","detail":%q}`
	detail := "come back later"
	if w.never {
		detail = "this can never fit"
	}
	if _, err := fmt.Fprintf(w.ResponseWriter, problem, detail); err != nil {
		return 0, err
	}
	return len(p), nil
}

// tellNearest tells of the key's limits of requests and tokens the one of which
// the smallest part is left.
func tellNearest(h http.Header) {
	told, least := [3]string{}, 2.0
	for _, kind := range []string{"Requests", "Tokens"} {
		limit, err := strconv.ParseFloat(h.Get("X-Ratelimit-Api_key-Limit-"+kind), 64)
		left, errLeft := strconv.ParseFloat(h.Get("X-Ratelimit-Api_key-Remaining-"+kind), 64)
		if err != nil || errLeft != nil || limit <= 0 || left/limit > least {
			continue
		}
		least = left / limit
		told = [3]string{h.Get("X-Ratelimit-Api_key-Limit-" + kind), h.Get("X-Ratelimit-Api_key-Remaining-" + kind), h.Get("X-Ratelimit-Reset-" + kind)}
	}
	for name := range h {
		if strings.HasPrefix(strings.ToLower(name), "x-ratelimit-") {
			h.Del(name)
		}
	}
	for i, name := range []string{"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
		if told[i] != "" {
			h.Set(name, told[i])
		}
	}
}
