package reference_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

func TestRule05HourLongStreamKeepsItsSlot(t *testing.T) {
	play(t, setting{keys: oneKey(-1, -1, 1), window: time.Minute}, func(s *stage) {
		const hour = time.Hour
		s.script("long", history.Script{CompletionTokens: 61, Chunks: 61, ChunkDelay: time.Minute})
		s.together(2, func(i int) {
			if i == 0 {
				a := s.chat(ask("long", `"stream":true`))
				if a.err != nil || a.at.Sub(s.store.last().at) < hour {
					s.Errorf("the stream ended after %v: %v", a.at.Sub(s.store.last().at), a.err)
				}
				return
			}
			for end := s.clock.Now().Add(hour); s.clock.Now().Before(end.Add(-7 * time.Second)); {
				s.sleep(7 * time.Second)
				s.wantLeft("while the stream lives", left{slots: "0"})
			}
		})
		if got, most := s.store.last().renewals, int(hour/reference.SlotLease)*3+1; got < most/3 || got > most {
			s.Errorf("the lease was renewed %d times in an hour", got)
		}
		s.wantLeft("after the stream", left{slots: "1"})
		s.wantStatus("the next request", s.chat(ask("n", "")), 200)
	})
}

// Whatever comes and goes beside it, a lease is renewed in time.
func TestRule05EachLeaseIsRenewedInTime(t *testing.T) {
	const every = reference.SlotLease / 3
	rapid.Check(t, func(draw *rapid.T) {
		lasts := rapid.SliceOfN(rapid.IntRange(1, 100), 1, 8).Draw(draw, "seconds that it lasts")
		begins := rapid.SliceOfN(rapid.IntRange(0, 90), len(lasts), len(lasts)).Draw(draw, "second that it begins in")
		play(t, setting{keys: oneKey(-1, -1, int64(len(lasts)))}, func(s *stage) {
			s.together(len(lasts), func(i int) {
				s.sleep(time.Duration(begins[i]) * time.Second)
				nonce := "lease" + strconv.Itoa(i)
				s.script(nonce, history.Script{Latency: time.Duration(lasts[i]) * time.Second})
				s.wantStatus("a request with a slot", s.chat(ask(nonce, "")), 200)
			})

			for _, d := range s.store.deals {
				if d.unrenewed > every {
					draw.Fatalf("a lease was not renewed for %v, want %v at most", d.unrenewed, every)
				}
				if most := int(d.alive.Sub(d.at) / every); d.renewals > most {
					draw.Fatalf("a lease that lived for %v was renewed %d times, want %d at most", d.alive.Sub(d.at), d.renewals, most)
				}
			}
		})
	})
}

// A process that died renews nothing; its slots come back when the lease ends.
func TestRule05DeadProcessLosesItsSlot(t *testing.T) {
	play(t, setting{keys: oneKey(-1, -1, 1)}, func(s *stage) {
		items := []reference.Item{{
			Descriptor: reference.Descriptor{Scope: "api_key", Value: keyHash(testKey), Limits: [3]int64{reference.Unlimited, reference.Unlimited, 1}, Window: testWindow},
			Amounts:    [3]int64{0, 0, 1},
		}}
		s.store.Store.Reserve(s.clock.Now(), items)
		s.wantLeft("while the lease runs", left{slots: "0"})
		s.sleep(reference.SlotLease)
		s.wantLeft("after the lease", left{slots: "1"})
	})
}

func TestRule05SlotIsFreedWhateverHappens(t *testing.T) {
	tests := []struct {
		name   string
		c      setting
		script history.Script
		// leaves is when the client leaves; 0 is never.
		leaves time.Duration
	}{
		{name: "success"},
		{name: "upstream error", script: history.Script{Status: 500}},
		{name: "upstream refuses", script: history.Script{Status: 429}},
		{name: "client leaves before the answer", script: history.Script{Latency: time.Hour}, leaves: time.Second},
		{name: "client leaves within the answer", script: history.Script{CompletionTokens: 9, Chunks: 9, ChunkDelay: time.Second}, leaves: 3500 * time.Millisecond},
		{name: "upstream cuts", script: history.Script{CompletionTokens: 9, CutAfter: 1}},
		{name: "upstream cuts before any output", c: setting{upstream: abort()}},
		{name: "upstream is unreachable", c: setting{nowhere: true}},
		{name: "upstream hangs", script: history.Script{Latency: time.Hour}},
		{name: "upstream hangs within the answer", script: history.Script{CompletionTokens: 2, Chunks: 2, ChunkDelay: time.Hour}},
	}
	for _, tt := range tests {
		for _, fields := range []string{``, `"stream":true`} {
			t.Run(tt.name+" "+fields, func(t *testing.T) {
				tt.c.keys = oneKey(-1, -1, 1)
				play(t, tt.c, func(s *stage) {
					s.script("n", tt.script)
					for range 3 {
						if tt.leaves > 0 {
							s.chatFor(tt.leaves, ask("n", fields))
							s.sleep(time.Millisecond) // the news of it travels
						} else if a := s.chat(ask("n", fields)); a.status == 429 && tt.script.Status != 429 {
							s.Errorf("the slot of the request before is still held: %s", a.body)
						}
						s.wantLeft("afterwards", left{slots: "1"})
					}
				})
			})
		}
	}
}

func TestRule05InFlightIsExact(t *testing.T) {
	const slots, clients = 7, 60
	for seed := range uint64(3) {
		for _, fields := range []string{``, `"stream":true`} {
			play(t, setting{keys: oneKey(-1, -1, slots), seed: seed}, func(s *stage) {
				s.script("n", history.Script{CompletionTokens: 3, Latency: time.Second, ChunkDelay: time.Millisecond})
				got := map[int]int{}
				s.together(clients, func(int) { got[s.chat(ask("n", fields)).status]++ })
				if got[200] != slots || got[429] != clients-slots {
					s.Errorf("seed %d: statuses %v of a burst of %d on %d slots", seed, got, clients, slots)
				}
				// Clients that come back at once keep all slots busy and no more.
				end := s.clock.Now().Add(5 * time.Second)
				s.together(clients, func(int) {
					for s.clock.Now().Before(end) {
						if s.chat(ask("n", fields)).status == 429 {
							s.sleep(300 * time.Millisecond)
						}
					}
				})
				calls, _ := s.provider.Finished(0)
				peak := 0
				for _, c := range calls {
					peak = max(peak, c.InFlight)
				}
				if peak != slots {
					s.Errorf("seed %d: at most %d in flight at the provider, want %d", seed, peak, slots)
				}
			})
		}
	}
}

// abort is an upstream that breaks the connection before it answers.
func abort() http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

func TestUpstreamThatHangsIsGivenUp(t *testing.T) {
	const patience = 10 * time.Minute
	play(t, setting{keys: oneKey(10, 1000, 1)}, func(s *stage) {
		s.script("hang", history.Script{Latency: 24 * time.Hour})
		began := s.clock.Now()
		a := s.chat(ask("hang", ""))
		s.wantStatus("hanging upstream", a, http.StatusGatewayTimeout)
		if took := a.at.Sub(began); took < patience || took > patience+time.Second {
			s.Errorf("given up after %v, want %v", took, patience)
		}
		if d := s.store.last(); d.settled == nil || *d.settled != 0 {
			s.Errorf("tokens were not given back")
		}
		s.sleep(time.Second)
		if _, inFlight := s.provider.Finished(0); inFlight != 0 {
			s.Errorf("the upstream was not told to stop")
		}
	})
}

// What is bounded is each wait for the upstream and not the whole answer.
func TestUpstreamThatIsSlowIsNotGivenUp(t *testing.T) {
	play(t, setting{keys: oneKey(-1, -1, 1)}, func(s *stage) {
		s.script("n", history.Script{CompletionTokens: 90, Chunks: 3, ChunkDelay: 9 * time.Minute})
		a := s.send(context.Background(), http.MethodPost, "/v1/chat/completions", testKey, ask("n", `"stream":true`))
		if a.err != nil {
			s.Errorf("a stream whose chunks are 9 minutes apart was broken off: %v", a.err)
		}
	})
}
