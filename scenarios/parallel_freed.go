package scenarios

import (
	"context"
	"net/http"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// parallelFreed takes all slots of a key and has their requests end in one way:
// by success, by an error upstream, by the client's leaving. Then it asks for
// all slots again.
func parallelFreed() Scenario {
	const (
		hold   = 600 * time.Millisecond
		chunks = 6
		// A slot is to be free after 1 s, and calls end late on a busy machine; but
		// a count that is kept in a window must not have begun anew.
		leastFreed, mostFreed = 1200 * time.Millisecond, 2600 * time.Millisecond
		beforeEdge            = 2200 * time.Millisecond
	)
	asks := []string{"parallel/slot-freed"}
	// The keys have no limits but slots: what they are told beside is the
	// provider's.
	numbers := append([]string{"headers/provider-fallback", "headers/provider-passed"}, asks...)
	stream := Shot{Asks: asks, Stream: true, MaxTokens: 12, Script: history.Script{
		PromptTokens: 4, CompletionTokens: 12, Latency: hold / chunks, Chunks: chunks, ChunkDelay: hold / chunks,
	}}
	failing := cheap("", asks, false)
	failing.Script.Latency, failing.Script.Status = hold, http.StatusInternalServerError
	leaving := stream
	leaving.LeaveAfter = hold / 2
	// ways are how requests end. The provider tells numbers of its own in answers
	// to one key, and none in those to another.
	ways := []struct {
		name  string
		slots int64
		shot  Shot
		asks  []string
		told  bool
	}{{"success", 5, stream, numbers, true}, {"error", 6, failing, numbers, false}, {"leave", 7, leaving, asks, false}}
	return Scenario{
		Name:          "parallel-freed",
		Sentence:      "all slots of three keys are taken by requests that succeed, fail upstream, or whose client leaves; a second later all slots are asked for again",
		Asks:          numbers,
		NeedsProvider: true,
		Plan:          Plan{Keys: 3, Requests: 2 * (5 + 6 + 7), Tokens: 2 * 18 * 16, Windows: 0.1, Seconds: 7},
		Play: func(ctx context.Context, s *Stage) error {
			freed := min(mostFreed, max(leastFreed, s.Window()-beforeEdge))
			var parts []func() error
			for _, way := range ways {
				parts = append(parts, func() error {
					key, err := s.Key(ctx, history.Limits{Parallel: limit(way.slots)})
					if err != nil {
						return err
					}
					send := func(shot Shot, step string, from int) error {
						shot.Step, shot.Asks = step+way.name, way.asks
						_, err := s.together(ctx, key, int(way.slots), func(i int) Shot {
							each := shot
							if way.told {
								each.Script.RateHeaders = providersRates(from + i)
							}
							return each
						})
						return err
					}
					start := s.Now()
					// Few enough to need no turn, and not to be kept waiting for one:
					// a limiter that counts slots in a window loses the count with it.
					if err := send(way.shot, "take-", 10); err != nil {
						return err
					}
					// The upstream may run on when the client has left.
					if err := s.Until(ctx, max(s.Now()+leastFreed, start+hold+freed)); err != nil {
						return err
					}
					again := cheap("", nil, false)
					again.Script.Latency = hold / 2
					return send(again, "again-", 20)
				})
			}
			return s.beside(parts...)
		},
	}
}

// parallelEdge holds all slots over the edge of the window that the key's first
// request opened, and asks for more behind it.
func parallelEdge() Scenario {
	const slots, extra = 8, 8
	asks := []string{"parallel/kept-across-windows"}
	return Scenario{
		Name:          "parallel-edge",
		Sentence:      "all slots of a key are held over a window's edge, and as many again are asked for behind it",
		Asks:          asks,
		NeedsProvider: true,
		Plan:          Plan{Keys: 1, Requests: 1 + slots + extra, Tokens: (1 + slots + extra) * 8, Windows: 1.3, Seconds: 4},
		Play: func(ctx context.Context, s *Stage) error {
			key, err := s.Key(ctx, history.Limits{Parallel: limit(slots)})
			if err != nil {
				return err
			}
			start := s.Now()
			if _, err := s.Send(ctx, key, cheap("open", asks, false)); err != nil {
				return err
			}
			// Windows on whole seconds may end a second early: the slots are
			// taken before that and held until the edge is surely past.
			w := s.Window()
			before, behind := start+w-time.Second-w/8, start+w+slack(w)
			if err := s.Until(ctx, before); err != nil {
				return err
			}
			hold := cheap("hold", asks, false)
			hold.Script.Latency = behind - before + time.Second
			return s.beside(
				func() error {
					_, err := s.together(ctx, key, slots, func(int) Shot { return hold })
					return err
				},
				func() error {
					if err := s.Until(ctx, behind); err != nil {
						return err
					}
					more := cheap("more", asks, false)
					more.Script.Latency = time.Second / 2
					_, err := s.together(ctx, key, extra, func(int) Shot { return more })
					return err
				},
			)
		},
	}
}
