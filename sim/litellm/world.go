package litellm

import (
	"net/http"

	"github.com/ratecheck/ratecheck/sim"
)

// Apply puts the release into a world, in the place of the reference.
// OnDecision is told every decision; nil is nobody.
func (s Settings) Apply(onDecision func(Decision)) func(*sim.Parts) {
	return func(parts *sim.Parts) {
		parts.Wrap = func(http.Handler) http.Handler {
			return New(Config{
				Settings: s, Clock: parts.Clock, Keys: parts.Keys, Upstream: parts.Upstream,
				Transport: parts.Transport, OnDecision: onDecision,
			})
		}
	}
}
