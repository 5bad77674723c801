package reports

import (
	"fmt"
	"strings"

	"github.com/ratecheck/ratecheck/checker"
)

// Identity says in a line each how a target counts requests and tokens.
func Identity(id checker.Identity) []string {
	return []string{"requests counted as: " + counting(id.Requests), "tokens counted as: " + counting(id.Tokens)}
}

func counting(c checker.Counting) string {
	parts := []string{"not told by this run"}
	if len(c.Classes) > 0 {
		parts[0] = strings.Join(c.Classes, " or ")
	}
	if c.Charging != "" {
		parts = append(parts, c.Charging)
	}
	if c.MostWindow > 0 {
		parts = append(parts, fmt.Sprintf("%.1f to %.1f s long as measured", c.LeastWindow, c.MostWindow))
	}
	for _, more := range []string{c.Phase, c.Granularity, c.Evidence} {
		if more != "" {
			parts = append(parts, more)
		}
	}
	return strings.Join(parts, "; ")
}
