package checker

import (
	"fmt"
	"strings"

	"github.com/ratecheck/ratecheck/checker/window"
)

// manyKeys is how many keys must have been served for many to have been active.
const manyKeys = 1000

func manyKeysRequirements() []Requirement {
	return []Requirement{{
		ID: "isolation/many-keys", Level: Should, Layer: Enforcement,
		Sentence: "Limits hold while 1,000 keys are active: for the first of them, for the last, and for a new one.",
		Source:   "docs/reference.md rule 23; LiteLLM, which in memory goes unlimited after about 100 keys",
		Tolerances: []Tolerance{{
			Value:  "a key that was used up before may be admitted again as far as some class allows that the target's requests do not exclude",
			Reason: "1,000 requests may take longer than a window, and a window on the clock turns whenever it does",
		}},
		judge: judgeManyKeys,
	}}
}

func judgeManyKeys(v *view) finding {
	var crowd, served int
	for _, k := range v.keys {
		some := step(k.attempts, "crowd")
		crowd += len(some)
		served += count(some, admitted)
	}
	classes := v.requestClasses()
	var said []string
	var open *finding
	for _, k := range v.keys {
		for _, name := range []string{"old", "last", "fresh"} {
			if len(step(k.attempts, name)) == 0 || k.Limits.Requests == nil {
				continue
			}
			f := v.limitedAmongMany(k, name, classes)
			switch {
			case f.verdict == Fail:
				return f
			case f.verdict == Pass:
				said = append(said, f.message)
			case open == nil:
				open = &f
			}
		}
	}
	switch {
	case open != nil:
		return *open
	case len(said) == 0:
		return undecided("no key was asked for more than its limit")
	case served < manyKeys:
		return undecided(fmt.Sprintf("%d of %d keys were served, %d are needed for many to be active", served, crowd, manyKeys))
	}
	return passed(fmt.Sprintf("%d other keys served; %s", served, strings.Join(said, ", ")))
}

// limitedAmongMany judges a key that was asked for more than its limit behind
// the crowd.
func (v *view) limitedAmongMany(k keyView, name string, classes []window.Class) finding {
	limit, asked := *k.Limits.Requests, step(k.attempts, name)
	events := v.events(k.attempts, one)
	found, doubt := v.kept(limit, 0, events)
	var needs []string
	if found.Lawful && len(classes) > 0 {
		// What some class would allow may be none that the target can be.
		found, needs = v.keptByThese(classes, limit, 0, events), []string{asksForClass}
	}
	switch {
	case !found.Lawful && !doubt:
		return finding{
			verdict: Fail, message: fmt.Sprintf("the %s key was admitted %d requests more than its limit allows, when %d keys had been seen", name, found.Excess, len(v.keys)),
			expected: fmt.Sprintf("at most %d requests per %s, as a %s", limit, v.Run.Window, found.Class),
			observed: fmt.Sprintf("%d of %d admitted at once, behind the other keys", count(asked, admitted), len(asked)),
			attempts: found.IDs, needs: needs,
		}
	case doubt:
		return inDoubt(k, found, "requests")
	case count(asked, unknown) > 0:
		return undecided(fmt.Sprintf("a request of the %s key was neither admitted nor refused: %s", name, firstTrouble(asked)))
	case len(certain(withOutcome(asked, refused))) == 0:
		return undecided(fmt.Sprintf("nothing was refused on the %s key: %d requests were sent, its limit is %d", name, len(asked), limit))
	}
	return passed(fmt.Sprintf("%d of %d admitted on the %s key", count(asked, admitted), len(asked), name))
}

// keptByThese is what the nearest of these classes says of the admissions of one
// key.
func (v *view) keptByThese(classes []window.Class, limit, late int64, events []window.Event) window.Finding {
	rule := window.Rule{Limit: limit, Late: late, Window: v.Run.Window, Early: clockGrain, Grain: bucketGrain}
	if may, _ := turnsOnWholeSeconds(events); may {
		rule.Early = wholeSecond
	}
	var nearest window.Finding
	for i, class := range classes {
		found := rule.Admissions(class, events)
		if found.Lawful {
			return found
		}
		if i == 0 || found.Excess < nearest.Excess {
			nearest = found
		}
	}
	return nearest
}
