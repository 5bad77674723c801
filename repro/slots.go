package repro

import (
	"fmt"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// inFlightReset is 16011: slots that a window takes along.
func inFlightReset() Repro {
	const slots = 2
	return Repro{
		ID: "litellm-16011", Issues: []string{"16011", "32441"},
		Title:      "requests in flight are forgotten when a window turns",
		Signatures: []string{"max_parallel_requests not enforced", "max_parallel_requests inconsistent", "in-flight counter reset by the window"},
		Mechanism:  "Requests in flight are a counter with a window like the others: what is still in flight when the window turns, or when the counter expires, is not counted any more.",
		Expected:   fmt.Sprintf("%d are in flight, and no more are admitted until one of them ends", slots),
		Workaround: "run 1.94 or later",
		From:       v3Default, Before: gauge,
		Setup: Setup{Version: lastBroken}, Limits: history.Limits{Parallel: n(slots)}, About: InFlight,
		Steps: func(w time.Duration) []Step {
			return []Step{
				{Name: "open", Shot: chat(2, 2), What: "one request, which opens the window"},
				{Name: "hold", Wait: w - 2*time.Second, Times: slots, Shot: slow(5*time.Second, chat(2, 2)), What: "2 at once; the answers take 5 s"},
				{Name: "more", Wait: w + settled, Times: slots, Shot: slow(time.Second, chat(2, 2)), What: "2 at once, in the next window, while those are in flight"},
			}
		},
		Judge: func(p *Played) Finding {
			if f, ok := p.served("open", "hold"); !ok {
				return f
			}
			peak := p.peakOf("hold", "more")
			return shownIf(peak > slots, "%d were in flight at once of %d", peak, slots)
		},
		Controls: []Control{{Name: "1.94.0, which counts slots", Setup: Setup{Version: gauge}}},
	}
}

// inFlightBelowZero is the other half: refusals give slots back.
func inFlightBelowZero() Repro {
	const slots, burst, after = 2, 40, 12
	return Repro{
		ID: "litellm-in-flight-below-zero", Issues: []string{"16011", "32441"},
		Title:      "refused requests give back slots that they never had",
		Signatures: []string{"in-flight counter negative", "max_parallel_requests exceeded after 429"},
		Mechanism: "The callback for failures is called for refusals too, and takes one from the counter. A refusal by the process's own " +
			"copy of the counter has added nothing before. With Redis such refusals come in the time that a callback is under way, " +
			"so that a burst of refusals takes the counter below zero, by how much is chance (the model takes the most). In memory a callback runs within its refusal.",
		Expected:   fmt.Sprintf("%d of the second burst are admitted", slots),
		Workaround: "run 1.94 or later",
		From:       v3Default, Before: gauge, RedisOnly: true,
		Setup: Setup{Version: lastBroken, Redis: true}, Limits: history.Limits{Parallel: n(slots)}, About: InFlight,
		Steps: func(time.Duration) []Step {
			return []Step{
				{Name: "hold", Times: slots, Shot: slow(1200*time.Millisecond, chat(2, 2)), What: "2 at once; the answers take 1.2 s"},
				{Name: "refused", Wait: 300 * time.Millisecond, Times: burst, Shot: chat(2, 2), What: "40 at once while those are in flight"},
				{Name: "after", After: "hold", Wait: settled, Times: after, Shot: slow(time.Second, chat(2, 2)), What: "12 at once when all is over; the answers take 1 s"},
			}
		},
		Judge: func(p *Played) Finding {
			if f, ok := p.served("hold"); !ok {
				return f
			}
			peak := p.peakOf("after")
			return shownIf(peak > slots, "%d were in flight at once of %d", peak, slots)
		},
		Controls: []Control{
			{Name: "in memory", Setup: Setup{Version: lastBroken}},
			{Name: "1.94.0, which counts slots", Setup: Setup{Version: gauge, Redis: true}},
		},
	}
}

// refusalCharged is 39309.
func refusalCharged() Repro {
	const rpm = 2
	return Repro{
		ID: "litellm-39309", Issues: []string{"39309", "39544"},
		Title:      "a request that is refused for slots is charged to the request limit",
		Signatures: []string{"max_parallel_requests rejection consumes RPM", "rejected request counts against rpm"},
		Mechanism:  "The request counter is incremented before the slots are looked at, and is not taken back.",
		Expected:   "one of two requests is used; the last is admitted",
		Workaround: "none known",
		From:       v3Default,
		Setup:      Setup{Version: newest}, Limits: history.Limits{Requests: n(rpm), Parallel: n(1)}, About: Requests,
		Steps: func(time.Duration) []Step {
			return []Step{
				{Name: "first", Shot: slow(time.Second, chat(2, 2)), What: "one request; the answer takes 1 s"},
				{Name: "refused", Wait: 400 * time.Millisecond, Shot: chat(2, 2), What: "another while it is in flight"},
				{Name: "last", After: "first", Wait: settled, Shot: chat(2, 2), What: "the second of two that the key has"},
			}
		},
		Judge: func(p *Played) Finding {
			if f, ok := p.served("first"); !ok {
				return f
			}
			if !refused(p.one("refused")) {
				return Finding{Untold, "the request beside the first was admitted: there are slots for more"}
			}
			return shownIf(refused(p.one("last")), "with one request of %d admitted the next was answered %s", rpm, answerOf(p.one("last")))
		},
		Controls: []Control{{Name: "a limit of slots alone", Setup: Setup{Version: newest}, Limits: &history.Limits{Parallel: n(1)}}},
	}
}
