package checker

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/checker/window"
	"github.com/ratecheck/ratecheck/history"
)

// joined is a history with its records brought together.
type joined struct {
	*history.History
	ends  map[string]*history.End
	byKey map[string][]seen // in the order in which they were sent
	queue *queue            // nil where the target does not queue

	// Many judges ask for them, and finding them takes long.
	requestClasses, classesOfTokens func() []window.Class // not to be changed
	tokensUntold                    func() bool
}

// seen is an attempt with what the ledger says of it.
type seen struct {
	history.Attempt
	calls   []history.Call
	outcome outcome
	// doubtful says that the refusal may be none of the limiter's; see doubt.
	doubtful bool
}

func newJoined(h *history.History) *joined {
	j := &joined{History: h, ends: map[string]*history.End{}, byKey: map[string][]seen{}}
	calls := map[string][]history.Call{}
	for _, c := range h.Calls {
		if c.Nonce != "" {
			calls[c.Nonce] = append(calls[c.Nonce], c)
		}
	}
	for i := range h.Ends {
		j.ends[h.Ends[i].Scenario] = &h.Ends[i]
	}
	for _, a := range h.Attempts {
		j.byKey[a.Key] = append(j.byKey[a.Key], seen{
			Attempt: a, calls: calls[a.Nonce], outcome: outcomeOf(h.Run, a, calls[a.Nonce]),
		})
	}
	for _, list := range j.byKey {
		slices.SortStableFunc(list, func(a, b seen) int { return cmp.Compare(a.Sent, b.Sent) })
	}
	j.doubt()
	j.queue = j.findQueue()
	j.requestClasses = sync.OnceValue(j.findRequestClasses)
	j.classesOfTokens = sync.OnceValue(j.findTokenClasses)
	j.tokensUntold = sync.OnceValue(j.findTokensUntold)
	return j
}

// view is what a judge function sees: one scenario.
type view struct {
	*joined
	scenario string
	keys     []keyView
}

// keyView is one key with its attempts in the order in which they were sent.
type keyView struct {
	history.Key
	attempts []seen
}

func (j *joined) view(scenario string) *view {
	v := &view{joined: j, scenario: scenario}
	for _, k := range j.Keys {
		if k.Scenario == scenario {
			v.keys = append(v.keys, keyView{Key: k, attempts: j.byKey[k.Alias]})
		}
	}
	return v
}

// asked is the view of the attempts that were sent for one requirement. Where
// none says so, all were.
func (v *view) asked(id string) *view {
	other := func(a seen) bool { return !slices.Contains(a.Asks, id) }
	if !slices.ContainsFunc(v.all(), func(a seen) bool { return !other(a) }) {
		return v
	}
	some := *v
	some.keys = slices.Clone(v.keys)
	for i := range some.keys {
		some.keys[i].attempts = slices.DeleteFunc(slices.Clone(some.keys[i].attempts), other)
	}
	return &some
}

// all returns the attempts of all keys.
func (v *view) all() []seen {
	var all []seen
	for _, k := range v.keys {
		all = append(all, k.attempts...)
	}
	return all
}

// step returns the attempts of one step, or of all steps that begin so where
// name ends with "*".
func step(attempts []seen, name string) []seen {
	prefix, wild := strings.CutSuffix(name, "*")
	var some []seen
	for _, a := range attempts {
		if a.Step == name || wild && strings.HasPrefix(a.Step, prefix) {
			some = append(some, a)
		}
	}
	return some
}

// allClear says whether each attempt was surely admitted or surely refused.
func allClear(attempts []seen) bool {
	return !slices.ContainsFunc(attempts, func(a seen) bool { return a.outcome == unknown || a.doubtful })
}

// firstDoubtful describes the first refusal that may be an overload.
func firstDoubtful(attempts []seen) string {
	at := slices.IndexFunc(attempts, func(a seen) bool { return a.doubtful })
	return describe(attempts[at])
}

func count(attempts []seen, o outcome) int {
	n := 0
	for _, a := range attempts {
		if a.outcome == o {
			n++
		}
	}
	return n
}

func ids(attempts []seen) []int {
	list := make([]int, 0, len(attempts))
	for _, a := range attempts {
		list = append(list, a.ID)
	}
	return list
}

func withOutcome(attempts []seen, o outcome) []seen {
	return slices.DeleteFunc(slices.Clone(attempts), func(a seen) bool { return a.outcome != o })
}

// certain leaves out what is doubtful.
func certain(attempts []seen) []seen {
	return slices.DeleteFunc(slices.Clone(attempts), func(a seen) bool { return a.doubtful })
}

// toldAt is when the answer's headers were there; where none came, when the
// attempt was over.
func toldAt(a seen) time.Duration {
	if a.Headers > 0 {
		return a.Headers
	}
	return a.Done
}

// decidedBy is the latest instant at which the limiter can have decided: its
// answer was there, or the request had reached the provider.
func (v *view) decidedBy(a seen) time.Duration {
	latest := toldAt(a)
	for _, c := range a.calls {
		latest = min(latest, c.Received+v.Run.LedgerSkew)
	}
	return max(latest, a.Sent)
}

// overAt is when an attempt was over for its client and upstream: where the
// client left, its call may run on and is charged only then.
func overAt(a seen) time.Duration {
	over := a.Done
	for _, c := range a.calls {
		over = max(over, c.Done)
	}
	return over
}

// used is what an admitted attempt cost: what the ledger says of its successful
// call, or the answer itself where there is no ledger.
func used(a seen) int64 {
	if len(a.calls) > 0 {
		var total int64
		for _, c := range a.calls {
			if c.Status == 200 {
				total += c.Usage.Total
			}
		}
		return total
	}
	if a.Usage != nil {
		return a.Usage.Total
	}
	return 0
}

// surelyUsed is the least that a limiter can know an admitted attempt to have
// cost: nothing where no whole answer came of it, for the target may not have had
// one either, and of several calls that succeeded the least. Who gave up a call
// and made it again has the usage of one.
func surelyUsed(a seen) int64 {
	if !answeredWhole(a) {
		return 0
	}
	least := int64(-1)
	for _, c := range a.calls {
		if c.Status == 200 && (least < 0 || c.Usage.Total < least) {
			least = c.Usage.Total
		}
	}
	if least < 0 {
		return used(a)
	}
	return least
}

// events are the attempts as the window rules see them, each admission at the
// given cost. What has no clear outcome is left out.
func (v *view) events(attempts []seen, cost func(seen) int64) []window.Event {
	var events []window.Event
	for _, a := range attempts {
		if a.outcome == unknown || a.doubtful {
			continue
		}
		events = append(events, window.Event{
			ID: a.ID, From: a.Sent, To: v.decidedBy(a), Cost: cost(a), Admitted: a.outcome == admitted,
		})
	}
	return events
}

func one(seen) int64 { return 1 }

// seconds prints a time of the run.
func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

// spread is how far the sending of a burst stretched.
func spread(attempts []seen) time.Duration {
	if len(attempts) == 0 {
		return 0
	}
	first, last := attempts[0].Sent, attempts[0].Sent
	for _, a := range attempts {
		first, last = min(first, a.Sent), max(last, a.Sent)
	}
	return last - first
}

// steps lists the names of the steps in the order in which they were first
// sent.
func steps(attempts []seen) []string {
	var names []string
	for _, a := range attempts {
		if !slices.Contains(names, a.Step) {
			names = append(names, a.Step)
		}
	}
	return names
}
