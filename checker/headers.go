package checker

import (
	"fmt"

	"github.com/ratecheck/ratecheck/history"
)

func headerRequirements() []Requirement {
	return []Requirement{
		{
			ID: "headers/on-answers", Level: Should, Layer: Advisory,
			Sentence: "Admitted answers carry rate headers, in any known dialect.",
			Source:   "docs/reference.md rule 25; LiteLLM's documentation of response headers",
			judge:    judgeHeadersOnAnswers,
		},
		{
			ID: "headers/on-streams", Level: Must, Layer: Advisory,
			Sentence: "Where plain answers carry rate headers, streams carry them too.",
			Source:   "LiteLLM 27748; docs/reference.md rule 25",
			judge:    judgeHeadersOnStreams,
		},
	}
}

func ratesOf(a seen) history.Rates { return history.ReadRates(a.Header) }

// answered are the admitted attempts of one kind that have a success's headers.
func answered(attempts []seen, stream bool) (with, without []seen) {
	for _, a := range attempts {
		if a.outcome != admitted || a.Status != 200 || a.Stream != stream {
			continue
		}
		if history.HasRates(a.Header) {
			with = append(with, a)
		} else {
			without = append(without, a)
		}
	}
	return with, without
}

func judgeHeadersOnAnswers(v *view) finding {
	with, without := answered(v.all(), false)
	switch {
	case len(with)+len(without) == 0:
		return undecided("no plain request was answered: " + firstTrouble(v.all()))
	case len(without) == 0:
		return passed(fmt.Sprintf("on all %d plain answers", len(with)))
	}
	return finding{
		verdict: Fail, message: fmt.Sprintf("%d of %d plain answers carry no rate headers", len(without), len(with)+len(without)),
		expected: "x-ratelimit-*, ratelimit-* or the like on every admitted answer of a limited key",
		observed: "none", attempts: firstFew(ids(without)),
	}
}

func judgeHeadersOnStreams(v *view) finding {
	plain, bare := answered(v.all(), false)
	switch {
	case len(plain)+len(bare) == 0:
		return undecided("no plain request was answered to compare with: " + firstTrouble(v.all()))
	case len(plain) == 0:
		return skipped("plain answers carry no rate headers either")
	}
	with, without := answered(v.all(), true)
	switch {
	case len(with)+len(without) == 0:
		return undecided("no stream was answered: " + firstTrouble(v.all()))
	case len(without) == 0:
		return passed(fmt.Sprintf("on all %d streams", len(with)))
	case len(bare) > 0 && len(with) > 0:
		return undecided(fmt.Sprintf("%d of %d plain answers and %d of %d streams carry rate headers: the two do not differ", len(plain), len(plain)+len(bare), len(with), len(with)+len(without)))
	}
	return finding{
		verdict: Fail, message: fmt.Sprintf("%d of %d streams carry no rate headers, and plain answers do", len(without), len(with)+len(without)),
		expected: fmt.Sprintf("the rate headers that attempt %d has", plain[0].ID),
		observed: "none", attempts: append([]int{plain[0].ID}, firstFew(ids(without))...),
	}
}
