package litellm

import (
	"fmt"
	"strconv"
	"time"
)

// Settings are how a release is started.
type Settings struct {
	Release Release
	// Redis counts in Redis instead of in memory.
	Redis bool
	// Window is the length of the windows, whole seconds from 1 s up.
	Window time.Duration
	// Zone is the time zone of the machine it is thought to run on; nil is UTC.
	Zone *time.Location
	// Owned tells whom keys belong to; nil is nobody.
	Owned OwnedKeys
}

// The names by which the releases read their environment.
const (
	windowVariable      = "LITELLM_RATE_LIMIT_WINDOW_SIZE"
	reservationVariable = "LITELLM_TPM_TOKEN_RESERVATION_ENABLED"
	zoneVariable        = "TZ"
)

// WithEnvironment returns the settings as LiteLLM's environment changes them. A
// release that does not read a variable is not changed by it. It fails on
// variables that the model does not know, and on values that the release would
// not start with.
func (s Settings) WithEnvironment(env map[string]string) (Settings, error) {
	for name, value := range env {
		switch name {
		case windowVariable:
			seconds, err := strconv.Atoi(value)
			if err != nil || seconds < 1 {
				return s, fmt.Errorf("%s=%q: give whole seconds, from 1 up", name, value)
			}
			s.Window = time.Duration(seconds) * time.Second
		case reservationVariable:
			// Anything but true is false to it, whatever the case.
			if on, err := strconv.ParseBool(value); (err != nil || !on) && s.Release.Has(ReservationSwitch) {
				s.Release = s.Release.withoutReservation()
			}
		case zoneVariable:
			zone, err := time.LoadLocation(value)
			if err != nil {
				return s, fmt.Errorf("%s=%q: %w; give a name of the time zone database, such as Etc/GMT-2", name, value, err)
			}
			s.Zone = zone
		default:
			return s, fmt.Errorf("the environment variable %s is not modelled; %s, %s and %s are", name, windowVariable, reservationVariable, zoneVariable)
		}
	}
	return s, nil
}
