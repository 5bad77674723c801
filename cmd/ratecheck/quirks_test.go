package main

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/lab"
	"github.com/ratecheck/ratecheck/sim/litellm"
	"github.com/ratecheck/ratecheck/target"
)

// settingsOf are those of a release as the runs of these tests use it: on a
// machine that is not in UTC.
func settingsOf(t *testing.T, version string, redis bool, window time.Duration) litellm.Settings {
	t.Helper()
	release, err := litellm.Find(version)
	if err != nil {
		t.Fatal(err)
	}
	return litellm.Settings{Release: release, Redis: redis, Window: window, Zone: time.FixedZone("", int(time.Hour/time.Second))}
}

// TestEachQuirkIsASwitch: a release without one of its quirks does something
// else, with one of the stores, in a run of all scenarios.
func TestEachQuirkIsASwitch(t *testing.T) {
	f := runFlags{seed: 1, window: 5 * time.Second, model: "m", keyTemplate: lab.KeyTemplate}
	for _, trait := range someOf(litellm.Traits()) {
		t.Run(string(trait.Quirk), func(t *testing.T) {
			t.Parallel()
			switch trait.Quirk {
			case litellm.ReservationSwitch:
				switchesReservation(t)
				return
			case litellm.InternalMetadataOnResponse:
				return // no scenario keeps what /v1/responses is sent; litellm-35197 does
			case litellm.OrganizationTokensUncharged:
				return // no scenario asks for the tokens of an organization; a test of the limiter does
			}
			f := f
			var keys litellm.OwnedKeys
			switch trait.Quirk {
			case litellm.TeamModelTwice, litellm.TeamModelsUnlimited, litellm.OrganizationsUnlimited:
				f.simulate, f.keyTemplate, f.only = trait.From, lab.OwnersTemplate, []string{owned}
				keys = parsed(t, f.keyTemplate)
			}
			f.manyKeys = trait.Quirk == litellm.SmallCache
			differs := func(version string, redis bool) bool {
				s := settingsOf(t, version, redis, f.window)
				s.Owned = keys
				with := recordedWith(t, f, s.Apply(nil))
				s.Release = s.Release.With(trait.Quirk, false)
				return !bytes.Equal(with, recordedWith(t, f, s.Apply(nil)))
			}
			if !slices.ContainsFunc(litellm.Releases(), func(version string) bool {
				return trait.In(version) && (differs(version, false) || differs(version, true))
			}) {
				t.Errorf("nobody sees whether a release has it: %s", trait.What)
			}
		})
	}
}

func parsed(t *testing.T, template string) *target.Template {
	t.Helper()
	keys, err := target.ParseTemplate(template)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// switchesReservation: the variable does nothing to a release that does not read
// it.
func switchesReservation(t *testing.T) {
	t.Helper()
	off := map[string]string{"LITELLM_TPM_TOKEN_RESERVATION_ENABLED": "false"}
	s := settingsOf(t, "1.94.0", false, 5*time.Second)
	s.Release = s.Release.With(litellm.ReservationSwitch, false)
	if s, err := s.WithEnvironment(off); err != nil || s.Release.Has(litellm.ChargesAfterAnswer) {
		t.Errorf("it is switched off all the same: %v", err)
	}
}

// TestAModelRepeatsItself: the same seed gives the same history, byte for byte.
func TestAModelRepeatsItself(t *testing.T) {
	f := runFlags{seed: 3, window: 5 * time.Second, model: "m", keyTemplate: lab.KeyTemplate}
	for _, version := range someOf(litellm.Releases()) {
		for _, redis := range []bool{false, true} {
			s := settingsOf(t, version, redis, f.window)
			if !bytes.Equal(recordedWith(t, f, s.Apply(nil)), recordedWith(t, f, s.Apply(nil))) {
				t.Errorf("%s, Redis %t: one seed gave two histories", version, redis)
			}
		}
	}
}
