// Package faults breaks the embedded reference, one thing at a time. It is what
// the checker is tested against: each fault must be caught by the requirement
// that it breaks, and by no other that does not follow from it.
package faults

import (
	"github.com/ratecheck/ratecheck/sim"
)

// Fault is one way to be wrong.
type Fault struct {
	Name string
	// Breaks is the id of the requirement that catches it.
	Breaks string
	// Endpoints are those on which alone it is broken, and on each of which it
	// must be caught; empty is wherever.
	Endpoints []string
	// Flag is the flag without which no scenario asks that requirement; empty
	// where every run does.
	Flag string
	// Sentence says what it does, and where it was met.
	Sentence string
	// Apply replaces a part of a world.
	Apply func(*sim.Parts)
}

// Catalogue returns all faults, in the order of the requirements they break.
func Catalogue() []Fault {
	var all []Fault
	for _, group := range [][]Fault{requestFaults(), tokenFaults(), counterFaults(), streamFaults(), wireFaults(), numberFaults(), fairnessFaults(), slotFaults(), edgeFaults(), leavingFaults(), endpointFaults(), bodyFaults(), resetFaults(), manyKeysFaults(), waitingFaults(), namingFaults(), providerFaults(), callHeaderFaults(), basisFaults(), scopeFaults()} {
		all = append(all, group...)
	}
	return all
}

// Find returns the fault with this name.
func Find(name string) (Fault, bool) {
	for _, f := range Catalogue() {
		if f.Name == name {
			return f, true
		}
	}
	return Fault{}, false
}
