package checker

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

func parallelRequirements() []Requirement {
	return []Requirement{{
		ID: "parallel/limit-kept", Level: Must, Layer: Enforcement,
		Sentence: "There are never more requests of a key in flight at the provider than its limit allows.",
		Source:   "docs/reference.md rule 5; LiteLLM 16011",
		Tolerances: []Tolerance{{
			Value:  "a call of a provider in another process counts shorter by the uncertainty of its clock",
			Reason: "only what certainly was in flight together is counted",
		}},
		judge: judgeParallel,
	}}
}

func judgeParallel(v *view) finding {
	if !v.Run.Ledger {
		return skipped("who is in flight at the provider can be told by our provider's ledger only")
	}
	var said []string
	var open *finding
	for _, k := range v.keys {
		if k.Limits.Parallel == nil {
			continue
		}
		limit := int(*k.Limits.Parallel)
		if peak, together := v.peak(k.attempts); peak > limit {
			return finding{
				verdict: Fail, message: fmt.Sprintf("%d requests of %s were in flight at once", peak, k.Alias),
				expected: fmt.Sprintf("at most %d", limit),
				observed: fmt.Sprintf("%d in the step %s, by the provider's ledger", peak, together[len(together)-1].Step),
				attempts: ids(together),
			}
		}
		for _, name := range steps(k.attempts) {
			f := v.slotsAsked(k, name, limit)
			if f.verdict == Pass {
				said = append(said, f.message)
			} else if open == nil {
				open = &f
			}
		}
	}
	if open != nil {
		return *open
	}
	if len(said) == 0 {
		return undecided("no key with slots was asked")
	}
	return passed(strings.Join(said, "; "))
}

// slotsAsked says whether one step asked for more slots than there are.
func (v *view) slotsAsked(k keyView, name string, limit int) finding {
	burst := step(k.attempts, name)
	peak, _ := v.peak(burst)
	if f, ok := v.overlapped(keyView{Key: k.Key, attempts: burst}); !ok {
		return f
	}
	n := count(burst, refused)
	switch {
	case len(burst) <= limit:
		return undecided(fmt.Sprintf("the step %s asked for %d slots only", name, len(burst)))
	case n > 0:
		return passed(fmt.Sprintf("%s: peak %d of %d, %d refused", name, peak, limit, n))
	case peak == limit:
		return passed(fmt.Sprintf("%s: peak %d of %d, the others waited", name, peak, limit))
	}
	return undecided(fmt.Sprintf("of %d requests at once none was refused, and %d were in flight: the target itself did not send more on at a time", len(burst), peak))
}

// peak is the most of these attempts that certainly were in flight at one
// instant, and which they were. A request that is tried again while its first
// call has not noticed yet takes no second slot.
func (v *view) peak(attempts []seen) (int, []seen) {
	type edge struct {
		at    time.Duration
		delta int
		of    seen
	}
	var edges []edge
	for _, a := range attempts {
		for _, c := range a.calls {
			from, to := c.Received+v.Run.LedgerSkew, c.Done-v.Run.LedgerSkew
			if c.Gone {
				// The target has left by then; the provider notices it later.
				to = min(to, a.Done)
			}
			if to > from {
				edges = append(edges, edge{from, 1, a}, edge{to, -1, a})
			}
		}
	}
	// What ends at an instant has ended before what begins at it.
	slices.SortStableFunc(edges, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.delta, b.delta))
	})
	var now, most []seen
	calls := map[int]int{} // in flight, by attempt
	for _, e := range edges {
		calls[e.of.ID] += e.delta
		switch n := calls[e.of.ID]; {
		case e.delta < 0 && n == 0:
			now = slices.DeleteFunc(now, func(a seen) bool { return a.ID == e.of.ID })
		case e.delta > 0 && n == 1:
			now = append(now, e.of)
		}
		if len(now) > len(most) {
			most = slices.Clone(now)
		}
	}
	return len(most), most
}
