package reference

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// scopedRequest is one that was admitted, as the law remembers it.
type scopedRequest struct {
	at       time.Time
	items    []Item
	reserved int64
	used     int64 // once it has settled, as long as its window runs
	settled  bool
	released bool
}

// charged is what it weighs now.
func (r *scopedRequest) charged() int64 {
	if r.settled {
		return r.used
	}
	return r.reserved
}

// scopedRun draws requests of two keys that share their owners.
type scopedRun struct {
	proxy    *Proxy
	store    *Memory
	now      time.Time
	keys     []caller
	admitted []*scopedRequest
	// known are all counters that were ever asked for.
	known map[Descriptor]bool
}

type drawnDirectory struct {
	endUser EndUser
	agent   Agent
}

func (d drawnDirectory) EndUser(string) (EndUser, bool) { return d.endUser, true }
func (d drawnDirectory) Agent(string) (Agent, bool)     { return d.agent, true }

func newScopedRun(t *rapid.T) *scopedRun {
	one := func(name string, most int64) *int64 {
		if n := rapid.Int64Range(-1, most).Draw(t, name); n >= 0 {
			return &n
		}
		return nil
	}
	limits := func(of string) Limits {
		return Limits{RPM: one(of+" requests", 6), TPM: one(of+" tokens", 60), MaxParallel: one(of+" slots", 4)}
	}
	models := func(of string) ModelLimits {
		m := ModelLimits{RPM: map[string]int64{}, TPM: map[string]int64{}}
		for _, model := range []string{"m", "n"} {
			if n := one(of+" requests", 6); n != nil {
				m.RPM[model] = *n
			}
			if n := one(of+" tokens", 60); n != nil {
				m.TPM[model] = *n
			}
		}
		return m
	}
	user, team := &User{ID: "u", Limits: limits("user")}, &Team{ID: "t", Limits: limits("team"), Models: models("team")}
	member := &TeamMember{limits("member")}
	organization := &Organization{ID: "o", Limits: limits("organization"), Models: models("organization")}
	project := &Project{ID: "p", Models: models("project")}
	run := &scopedRun{
		proxy: &Proxy{ProxyConfig: ProxyConfig{
			Window:    time.Minute,
			Directory: drawnDirectory{EndUser{limits("end user")}, Agent{limits("agent"), limits("session")}},
		}},
		store: NewMemory(), now: ruleStart, known: map[Descriptor]bool{},
	}
	for _, hash := range []string{"k1", "k2"} {
		run.keys = append(run.keys, caller{hash: hash, Policy: Policy{
			Key:  Key{Limits: limits(hash), Models: models(hash)},
			User: user, Team: team, TeamMember: member, Organization: organization, Project: project,
		}})
	}
	return run
}

// running is what was charged to the window of a kind of d that runs now: it
// opened at the first charge after the last one was over (rule 1).
func (run *scopedRun) running(d Descriptor, k Kind) (requests []*scopedRequest) {
	var opened time.Time
	for _, r := range run.admitted {
		if !slices.ContainsFunc(r.items, func(it Item) bool { return it.Descriptor == d && it.Limits[k] != Unlimited }) {
			continue
		}
		if len(requests) == 0 || r.at.Sub(opened) >= d.Window {
			opened, requests = r.at, nil
		}
		requests = append(requests, r)
	}
	if run.now.Sub(opened) >= d.Window {
		return nil
	}
	return requests
}

// used is what each kind of d must count now, by what was admitted.
func (run *scopedRun) used(d Descriptor) (used [kinds]int64) {
	used[Requests] = int64(len(run.running(d, Requests)))
	for _, r := range run.running(d, Tokens) {
		used[Tokens] += r.charged()
	}
	for _, r := range run.admitted {
		if !r.released && run.now.Sub(r.at) < SlotLease && slices.ContainsFunc(r.items, func(it Item) bool { return it.Descriptor == d && it.Limits[Slots] != Unlimited }) {
			used[Slots]++
		}
	}
	return used
}

func (run *scopedRun) request(t *rapid.T) {
	names := func(of string, from ...string) string { return rapid.SampledFrom(from).Draw(t, of) }
	c := &run.keys[rapid.IntRange(0, 1).Draw(t, "key")]
	items := run.proxy.resolve(c, named{
		model: names("model", "", "m", "n"), endUser: names("end user", "", "e1", "e2"),
		agent: names("agent", "", "a1"), session: names("session", "", "s1", "s2"),
	}, func(string) bool { return false })
	r := &scopedRequest{at: run.now, items: items, reserved: rapid.Int64Range(1, 20).Draw(t, "reserved")}
	fits := true
	for i := range items {
		items[i].Amounts = [kinds]int64{1, r.reserved, 1}
		run.known[items[i].Descriptor] = true
		used := run.used(items[i].Descriptor)
		for k, amount := range items[i].Amounts {
			fits = fits && (items[i].Limits[k] == Unlimited || used[k]+amount <= items[i].Limits[k])
		}
	}
	d := run.store.Reserve(run.now, items)
	if d.Admitted != fits {
		t.Fatalf("admitted %v, want %v: %+v", d.Admitted, fits, d)
	}
	if !d.Admitted {
		return
	}
	run.admitted = append(run.admitted, r)
	for _, it := range items {
		for k, used := range run.used(it.Descriptor) {
			if it.Limits[k] != Unlimited && used > it.Limits[k] {
				t.Fatalf("an admission took the %v of %s to %d of %d", Kind(k), it.Scope, used, it.Limits[k])
			}
		}
	}
}

// end settles a request at what it used and lets go of its slots.
func (run *scopedRun) end(r *scopedRequest, used int64) {
	run.store.Settle(run.now, r.items, used)
	run.store.Release(run.now, r.items)
	if !r.settled {
		r.settled, r.used = true, used
	}
	r.released = true
}

func (run *scopedRun) drawAdmitted(t *rapid.T) *scopedRequest {
	if len(run.admitted) == 0 {
		t.Skip("nothing was admitted: rapid draws another step")
	}
	return run.admitted[rapid.IntRange(0, len(run.admitted)-1).Draw(t, "which")]
}

// check compares every counter with what was admitted: so none is negative, and
// none has what another was charged.
func (run *scopedRun) check(t *rapid.T) {
	for d := range maps.Keys(run.known) {
		wide := Item{Descriptor: d}
		wide.Limits = [kinds]int64{ample, ample, ample}
		items := []Item{wide}
		run.store.Peek(run.now, items)
		used := run.used(d)
		for k := range kinds {
			if d.Limits[k] == Unlimited {
				used[k] = 0 // nobody is charged where there is no limit
			}
			if got := ample - items[0].After[k].Remaining; got != used[k] {
				t.Fatalf("the %v of %s %q count %d, want %d", k, d.Scope, d.Value, got, used[k])
			}
		}
	}
}

// TestLawOfAllScopes: for any sequence of requests, settlements, refunds and
// clock moves over all scopes no counter is negative, none exceeds its limit by
// admission, and each equals what was used, in the end with nothing in flight.
func TestLawOfAllScopes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := newScopedRun(t)
		t.Repeat(map[string]func(*rapid.T){
			"request":  run.request,
			"request2": run.request,
			"settle":   func(t *rapid.T) { run.end(run.drawAdmitted(t), rapid.Int64Range(0, 30).Draw(t, "used")) },
			"refund":   func(t *rapid.T) { run.end(run.drawAdmitted(t), 0) },
			"wait": func(t *rapid.T) {
				run.now = run.now.Add(time.Duration(rapid.SampledFrom([]int64{1, 1e9, 20e9, 40e9, 60e9 - 1, 60e9}).Draw(t, "wait")))
			},
			"": run.check,
		})
		for i, r := range run.admitted {
			run.end(r, int64(i))
		}
		run.check(t)
		for d := range maps.Keys(run.known) {
			if used := run.used(d); used[Slots] != 0 {
				t.Fatalf("%d slots of %s are held at rest", used[Slots], d.Scope)
			}
		}
	})
}
