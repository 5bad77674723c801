package checker

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ratecheck/ratecheck/history"
)

func isolationRequirements() []Requirement {
	return []Requirement{{
		ID: "isolation/keys", Level: Must, Layer: Enforcement,
		Sentence: "The traffic of one key changes nothing for another.",
		Source:   "docs/reference.md rule 6; APISIX 12896",
		Tolerances: []Tolerance{{
			Value:  "a key's own requests count at their caps, and from the moment they were sent",
			Reason: "the limiter may reserve an estimate, and answers overtake each other",
		}, {
			Value:  "a key's own requests count at what the counter was seen to fall by for each while the other key was silent, where that is more",
			Reason: "a limiter that charges too much is wrong, but not by the traffic of another key",
		}},
		judge: judgeIsolation,
	}}
}

func judgeIsolation(v *view) finding {
	var quiet, noisy []seen
	for _, k := range v.keys {
		quiet = append(quiet, step(k.attempts, "quiet")...)
		noisy = append(noisy, step(k.attempts, "noisy")...)
	}
	if len(quiet) == 0 || len(noisy) == 0 {
		return undecided("not both keys were asked")
	}
	began := noisy[0].Sent
	for _, k := range v.keys {
		own := keyView{Key: k.Key, attempts: step(k.attempts, "quiet")}
		wrong := slices.DeleteFunc(v.falselyRefused(own), func(a seen) bool { return a.doubtful || a.Done < began })
		if len(wrong) > 0 {
			return finding{
				verdict: Fail, message: fmt.Sprintf("%d of %d requests of a key were refused that had asked for less than its limits", len(wrong), len(own.attempts)),
				expected: "all admitted, whatever another key asks for",
				observed: fmt.Sprintf("%d refused, while another key was refused %d times", len(wrong), count(noisy, refused)),
				attempts: firstFew(ids(wrong)),
			}
		}
		if f, moved := movedByOthers(own, noisy); moved {
			return f
		}
	}
	switch {
	case count(noisy, refused) == 0 || count(noisy, admitted) == 0:
		return undecided(fmt.Sprintf("the noisy key was to exceed its limits: %d of %d admitted, %d refused", count(noisy, admitted), len(noisy), count(noisy, refused)))
	case count(quiet, unknown) > 0:
		return undecided("a request of the quiet key was neither admitted nor refused: " + firstTrouble(quiet))
	case count(quiet, refused) > 0:
		return undecided("a request of the quiet key was refused, and not surely because of the other: " + describe(withOutcome(quiet, refused)[0]))
	}
	return passed(fmt.Sprintf("%d requests admitted and counted alone, beside %d of another key, %d of them refused", len(quiet), len(noisy), count(noisy, refused)))
}

// ownCounter is one of a key's counters, as answers tell it.
type ownCounter struct {
	what  string
	limit *int64
	told  func(history.Rates) (left, limit *int64)
	cost  func(seen) int64 // the most that a request may be counted at
}

// movedByOthers finds an answer that tells less to be left of a key's limits
// than its own requests can have taken: everything of its own that was sent
// before the answer was there counts.
func movedByOthers(k keyView, noisy []seen) (finding, bool) {
	for _, c := range []ownCounter{
		{"requests", k.Limits.Requests, func(r history.Rates) (left, limit *int64) { return r.RequestsRemaining, r.RequestsLimit }, one},
		{"tokens", k.Limits.Tokens, func(r history.Rates) (left, limit *int64) { return r.TokensRemaining, r.TokensLimit }, func(a seen) int64 { return mostOf(k, a) }},
	} {
		if c.limit == nil {
			continue
		}
		list := c.readings(k)
		each := c.costAlone(k, list, noisy)
		for _, r := range list {
			least := *c.limit
			for _, own := range k.attempts {
				if own.Sent <= toldAt(r.of) {
					least -= max(each, c.cost(own))
				}
			}
			if r.left < least {
				return finding{
					verdict: Fail, message: fmt.Sprintf("more %s of a key were taken than it asked for itself", c.what),
					expected: fmt.Sprintf("at least %d of %d left", least, *c.limit),
					observed: fmt.Sprintf("%d left", r.left),
					attempts: []int{r.of.ID},
				}, true
			}
		}
	}
	return finding{}, false
}

// readings are what the answers told, in the order in which they came. An
// answer that tells of another limit than the key's tells of another counter.
func (c ownCounter) readings(k keyView) []reading {
	var list []reading
	for _, a := range k.attempts {
		left, limit := c.told(ratesOf(a))
		if a.outcome == admitted && left != nil && (limit == nil || *limit == *c.limit) {
			list = append(list, reading{of: a, left: *left})
		}
	}
	slices.SortStableFunc(list, func(a, b reading) int { return cmp.Compare(toldAt(a.of), toldAt(b.of)) })
	return list
}

// costAlone is the most that the counter was seen to fall by for a request of
// the key's own while nothing of the others was under way.
func (c ownCounter) costAlone(k keyView, list []reading, noisy []seen) int64 {
	var most int64
	former := reading{left: *c.limit}
	for _, r := range list {
		loud := slices.ContainsFunc(noisy, func(a seen) bool {
			return a.Sent <= toldAt(r.of) && a.Done+chargeDelay >= former.of.Sent
		})
		if !loud {
			var own int64
			for _, a := range k.attempts {
				if a.Sent > toldAt(former.of) && a.Sent <= toldAt(r.of) {
					own++
				}
			}
			own = max(own, 1)
			most = max(most, (former.left-r.left+own-1)/own)
		}
		former = r
	}
	return most
}
