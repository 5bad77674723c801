package lab

import "testing"

func TestStatFields(t *testing.T) {
	for _, tt := range []struct{ stat, state, group string }{
		{"12 (sh) S 1 34 34 0 -1", "S", "34"},
		{"12 (a) Z 9) R 1 35 34 0 -1", "R", "35"},
		{"12 (sh)", "", ""},
		{"", "", ""},
	} {
		if state, group := statFields(tt.stat); state != tt.state || group != tt.group {
			t.Errorf("%q: %q %q, want %q %q", tt.stat, state, group, tt.state, tt.group)
		}
	}
}
