package scenarios

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/target"
)

// EndpointsError says that endpoints that were asked for by name do not answer.
type EndpointsError struct {
	URL string
	// Reasons say of each what was answered.
	Reasons []string
}

func (e *EndpointsError) Error() string {
	return fmt.Sprintf("%s: %s; leave it out of --endpoints, or leave --endpoints out to test those that answer", e.URL, strings.Join(e.Reasons, "; "))
}

// askEndpoints asks each endpoint once and notes which do not answer, and why.
func (s *Stage) askEndpoints(ctx context.Context, key *Key, endpoints []string) error {
	r := s.runner
	reasons := make([]string, len(endpoints))
	errs := make([]error, len(endpoints))
	keys := make([]*Key, len(endpoints))
	for i := range endpoints {
		keys[i] = key
		if _, fixed := r.Target.Keys.(target.Granter); fixed {
			// One key may be too narrow for all of them.
			var err error
			if keys[i], err = s.KeyThat(ctx, history.Limits{}, func(history.Limits) bool { return true }); err != nil {
				return err
			}
		}
	}
	g := clock.NewGroup(r.Clock)
	for i, endpoint := range endpoints {
		g.Go("handshake on "+endpoint, func() { reasons[i], errs[i] = s.askEndpoint(ctx, keys[i], endpoint) })
	}
	g.Wait()
	var missing []string
	r.unanswered = map[string]string{}
	for i, endpoint := range endpoints {
		switch {
		case errs[i] != nil:
			return errs[i]
		case reasons[i] == "":
			continue
		case slices.Contains(r.RequiredEndpoints, endpoint):
			missing = append(missing, reasons[i])
		}
		r.unanswered[endpoint] = reasons[i]
	}
	if len(missing) > 0 {
		return &EndpointsError{URL: r.Target.URL.String(), Reasons: missing}
	}
	return nil
}

// askEndpoint says why an endpoint cannot be tested; empty when it can.
func (s *Stage) askEndpoint(ctx context.Context, key *Key, endpoint string) (reason string, err error) {
	shot := costing("handshake-"+endpoint, []string{}, 4, 4)
	shot.Endpoint = endpoint
	a, err := s.Send(ctx, key, shot)
	if err != nil {
		return "", err
	}
	asked := "POST " + history.EndpointPath(endpoint)
	switch {
	case a.Status == 0:
		return fmt.Sprintf("%s is not answered: %s", asked, cmp.Or(a.ErrorText, string(a.Error))), nil
	case a.Status != http.StatusOK:
		return fmt.Sprintf("%s is answered with %d", asked, a.Status), nil
	case a.Error != "":
		return fmt.Sprintf("%s is answered, but with what is no answer: %s", asked, a.ErrorText), nil
	case s.runner.Target.Provider == nil:
		return "", nil
	}
	ours, err := s.runner.isBehind(ctx, a.Nonce)
	if err != nil || ours {
		return "", err
	}
	return asked + " is answered, but not by ratecheck's provider", nil
}
