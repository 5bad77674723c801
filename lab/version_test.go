package lab

import (
	"errors"
	"strconv"
	"strings"
	"testing"
)

func TestCheckVersion(t *testing.T) {
	for _, tt := range []struct {
		version string
		want    string // "" taken, "compromised", or "no release"
	}{
		{"1.82.3", ""},
		{"1.82.6", ""},
		{"1.82.9", ""},
		{"1.82.70", ""},
		{"1.106.9", ""},
		{"1.108.0", ""},
		{"1.80.0rc1", ""},
		{"1.77.2.post1", ""},
		{"1.82.7", "compromised"},
		{"1.82.8", "compromised"},
		{"1.82.8.post1", "compromised"},
		{"1.82.7rc1", "compromised"},
		{"1.107.0", "compromised"},
		{"1.107.12.dev3", "compromised"},
		{"2.107.0", ""},
		{"", "no release"},
		{"latest", "no release"},
		{"1.82", "no release"},
		{"v1.82.7", "no release"},
		{"1.82.7.0", "no release"},
		{"1.82.07", "no release"},
		{"01.82.7", "no release"},
		{"1!1.82.7", "no release"},
		{" 1.82.7", "no release"},
		{"1.82.7\n", "no release"},
		{"1.82.7+local", "no release"},
		{"1.82.3 evil", "no release"},
		{"1.82.3/../x", "no release"},
		{"1.82.*", "no release"},
	} {
		err := checkVersion(tt.version)
		switch tt.want {
		case "":
			if err != nil {
				t.Errorf("%q: %v, want it taken", tt.version, err)
			}
		case "compromised":
			if !errors.Is(err, ErrCompromised) {
				t.Errorf("%q: %v, want ErrCompromised", tt.version, err)
			}
		default:
			if err == nil || errors.Is(err, ErrCompromised) {
				t.Errorf("%q: %v, want it to be no release", tt.version, err)
			}
		}
	}
}

// FuzzCheckVersion reads a version in the lax way of PEP 440: whatever is taken
// must not mean a compromised release in any spelling.
func FuzzCheckVersion(f *testing.F) {
	for _, s := range []string{"1.82.3", "1.82.7", "v1.82.8", "1.107.0rc1", "1.082.7", "1.82.7.0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if checkVersion(s) != nil {
			return
		}
		lax := strings.FieldsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
		if len(lax) < 3 {
			t.Fatalf("%q is taken and has not three numbers", s)
		}
		var n [3]int
		for i := range n {
			var err error
			if n[i], err = strconv.Atoi(lax[i]); err != nil {
				return // a number of more digits than any release has
			}
		}
		if n == [3]int{1, 82, 7} || n == [3]int{1, 82, 8} || (n[0] == 1 && n[1] == 107) {
			t.Errorf("%q is taken and means a compromised release", s)
		}
	})
}
