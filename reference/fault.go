package reference

import "fmt"

// LimiterFault is what failed in the limiter after a request had been admitted
// (rule 22). The answer went out all the same.
type LimiterFault struct {
	// What was being done, such as "settling what a request used".
	What string
	// Fault is what it panicked with.
	Fault any
	// Stands is what is not as it should be for it.
	Stands string
}

// Error says what was tried, what was found and what follows from it.
func (f *LimiterFault) Error() string {
	return fmt.Sprintf("%s: %v; the answer is not touched, and %s", f.What, f.Fault, f.Stands)
}

// guarded does a thing of the limiter's that must not break the answer of a
// request that was admitted (rule 22).
func (p *Proxy) guarded(what, stands string, do func()) {
	defer func() {
		if fault := recover(); fault != nil && p.OnFault != nil {
			p.OnFault(&LimiterFault{What: what, Fault: fault, Stands: stands})
		}
	}()
	do()
}
