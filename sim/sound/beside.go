package sound

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim"
)

// Limiters that write beside the answer, and targets on which answers are lost
// and which are overloaded at times.

// oneIn is how many requests there are for each that goes wrong: a scenario of
// a few is not hit, and of one of many each window is.
const oneIn = 23

func besideLimiters() []Limiter {
	return []Limiter{
		{
			Name: "settles-late", Sentence: "settles and frees slots beside the answer, up to half a second later",
			Beside: true, Apply: settlesLate,
		},
		{
			Name: "sub-windows-charged-late", Sentence: "ten sub-windows, which are charged beside the answer", CheckThenCharge: true,
			Beside: true, Apply: func(p *sim.Parts) {
				p.Store = newStore(p.Store, func() counter { return &slidingBuckets{} })
				settlesLate(p)
				p.Store = &ChargeAfter{Store: p.Store}
			},
		},
		{
			Name: "upstream-answers-lost", Sentence: "loses an answer of its upstream at times, answers 502, and does not charge what it does not know",
			Beside: true, Apply: func(p *sim.Parts) { p.Transport = &answerLoser{next: p.Transport} },
		},
		{
			Name: "answers-lost", Sentence: "its answers are lost at times on their way to the client",
			Beside: true, Apply: atTimes(func(next http.Handler, _ http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(&nowhere{header: http.Header{}}, r)
				panic(http.ErrAbortHandler)
			}),
		},
		{
			Name: "overloaded", Sentence: "is overloaded at times and answers 503",
			Beside: true, Apply: atTimes(func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, `{"error":{"message":"overloaded","type":"server_error","param":null,"code":"503"}}`)
			}),
		},
	}
}

func settlesLate(p *sim.Parts) { p.Store = &lateStore{Store: p.Store, clock: p.Clock} }

// lateStore writes what is known after the answer beside it.
type lateStore struct {
	reference.Store
	clock   clock.Clock
	settled atomic.Int64
}

// Settle is from 0.1 to 0.45 s late.
func (s *lateStore) Settle(_ time.Time, items []reference.Item, used int64) {
	const least, step, steps = 100 * time.Millisecond, 50 * time.Millisecond, 8
	late := least + step*time.Duration(s.settled.Add(1)%steps)
	s.clock.AfterFunc(late, func() { s.Store.Settle(s.clock.Now(), items, used) })
}

// Release is half a second late.
func (s *lateStore) Release(_ time.Time, items []reference.Item) {
	const late = 500 * time.Millisecond
	s.clock.AfterFunc(late, func() { s.Store.Release(s.clock.Now(), items) })
}

// atTimes does something else with one request in so many.
func atTimes(do func(next http.Handler, w http.ResponseWriter, r *http.Request)) func(*sim.Parts) {
	return func(p *sim.Parts) {
		var asked atomic.Int64
		p.Wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if asked.Add(1)%oneIn == 0 {
					do(next, w, r)
					return
				}
				next.ServeHTTP(w, r)
			})
		}
	}
}

// answerLoser reads one answer in so many and says that the connection broke.
type answerLoser struct {
	next  http.RoundTripper
	calls atomic.Int64
}

var errReset = errors.New("connection reset by peer")

func (t *answerLoser) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(req)
	if err != nil || t.calls.Add(1)%oneIn != 0 {
		return res, err
	}
	_, _ = io.Copy(io.Discard, res.Body) // whether it broke before does not matter
	if err := res.Body.Close(); err != nil {
		return nil, err
	}
	return nil, errReset
}

// nowhere takes an answer that nobody gets.
type nowhere struct{ header http.Header }

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) WriteHeader(int)             {}
func (w *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (w *nowhere) Flush()                      {}
