package checker

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ratecheck/ratecheck/history"
)

// WindowTokens is what one key was admitted in each window.
type WindowTokens struct {
	// Way is how its client asked: one of history.TokensByWindowWays.
	Way string `json:"way"`
	// RequestLimit says that the key has a request limit beside its token limit.
	RequestLimit bool `json:"request_limit"`
	// Limit is the key's, in tokens per window.
	Limit int64 `json:"limit"`
	// Admitted is what the provider says that the admitted requests of each
	// window used, in tokens; -1 where some of them were neither admitted nor
	// refused.
	Admitted []int64 `json:"admitted"`
}

// TokensByWindow tells for each key of that scenario what it was admitted in each
// window. It judges nothing, and is empty where the scenario was not played.
func TokensByWindow(h *history.History) []WindowTokens {
	var list []WindowTokens
	for _, k := range newJoined(h).view(history.TokensByWindow).keys {
		if k.Limits.Tokens == nil {
			continue
		}
		for _, way := range history.TokensByWindowWays() {
			w := WindowTokens{Way: way, RequestLimit: k.Limits.Requests != nil, Limit: *k.Limits.Tokens}
			for n := 1; ; n++ {
				asked := step(k.attempts, way+"-"+strconv.Itoa(n))
				if len(asked) == 0 {
					break
				}
				told := int64(-1)
				if through := withOutcome(asked, admitted); len(through)+count(asked, refused) == len(asked) {
					told = tokensOf(through)
				}
				w.Admitted = append(w.Admitted, told)
			}
			if len(w.Admitted) > 0 {
				list = append(list, w)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b WindowTokens) int {
		ways := history.TokensByWindowWays()
		if by := slices.Index(ways, a.Way) - slices.Index(ways, b.Way); by != 0 {
			return by
		}
		return strings.Compare(strconv.FormatBool(a.RequestLimit), strconv.FormatBool(b.RequestLimit))
	})
	return list
}
