package driver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// readAll reads a stream's events as "name: data" and how it ended.
func readAll(r io.Reader) (read []string, end error) {
	for event, err := range events(r) {
		if err != nil {
			end = err
			continue
		}
		read = append(read, event.name+": "+string(event.data))
	}
	return read, end
}

// TestEventsAreRead writes random events in every way the standard allows, and
// reads them again.
func TestEventsAreRead(t *testing.T) {
	text := rapid.StringMatching(`[ -~é€😀]{0,20}`)
	rapid.Check(t, func(t *rapid.T) {
		lineEnd := rapid.SampledFrom([]string{"\n", "\r\n", "\r"})
		mixed := rapid.Bool().Draw(t, "mixed line ends")
		one := lineEnd.Draw(t, "line end")
		var wire strings.Builder
		line := func(text string) {
			wire.WriteString(text)
			// A CR and an LF of different lines would be one line end.
			if !mixed {
				wire.WriteString(one)
			} else if rapid.Bool().Draw(t, "CRLF") {
				wire.WriteString("\r\n")
			} else {
				wire.WriteString("\n")
			}
		}
		if rapid.Bool().Draw(t, "BOM") {
			wire.WriteString("\ufeff")
		}
		var want []string
		for range rapid.IntRange(0, 6).Draw(t, "events") {
			name := ""
			var data []string
			for range rapid.IntRange(0, 5).Draw(t, "lines") {
				value := text.Draw(t, "value")
				blank := " "
				if rapid.Bool().Draw(t, "no blank") && !strings.HasPrefix(value, " ") {
					blank = ""
				}
				switch rapid.SampledFrom([]string{"data", "event", "id", "retry", "", "other"}).Draw(t, "field") {
				case "data":
					data = append(data, value)
					line("data:" + blank + value)
				case "event":
					name = value
					line("event:" + blank + value)
				case "id":
					line("id:" + blank + value)
				case "retry":
					line("retry:" + blank + value)
				case "other":
					line("nobody knows this: " + value)
				default:
					line(":" + value)
				}
			}
			for range rapid.IntRange(1, 3).Draw(t, "blank lines") {
				line("")
			}
			// An event whose data is empty says nothing of an answer.
			if strings.Join(data, "\n") != "" {
				want = append(want, name+": "+strings.Join(data, "\n"))
			}
		}
		for name, r := range map[string]io.Reader{
			"at once":      strings.NewReader(wire.String()),
			"byte by byte": iotest.OneByteReader(strings.NewReader(wire.String())),
			"with the end": iotest.DataErrReader(strings.NewReader(wire.String())),
		} {
			got, err := readAll(r)
			if err != nil {
				t.Fatalf("%s: %v in %q", name, err, wire.String())
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s: events of %q differ (-want +got):\n%s", name, wire.String(), diff)
			}
		}
	})
}

// FuzzEvents holds the reader to its one promise for garbage: what it reads does
// not depend on how the bytes came, and is no more than was sent.
func FuzzEvents(f *testing.F) {
	for _, text := range []string{
		"", "\n", "data: a\n\n", "data: a\r\rdata: b\r\n\r\n", "\ufeffdata:a\n\n", ":\n\n", "event\ndata\n\n", "data: a", "\r\n\r", "data:\n\ndata: \x00\n\n",
	} {
		f.Add([]byte(text), false)
	}
	broken := errors.New("broken")
	f.Fuzz(func(t *testing.T, wire []byte, breaks bool) {
		end := func() io.Reader {
			if breaks {
				return iotest.ErrReader(broken)
			}
			return strings.NewReader("")
		}
		whole, err := readAll(io.MultiReader(bytes.NewReader(wire), end()))
		pieces, errPieces := readAll(io.MultiReader(iotest.OneByteReader(bytes.NewReader(wire)), end()))
		if diff := cmp.Diff(whole, pieces); diff != "" || !errors.Is(errPieces, err) {
			t.Errorf("at once: %v, byte by byte: %v\n%s", err, errPieces, diff)
		}
		if breaks && !errors.Is(err, broken) {
			t.Errorf("the stream broke, and the error is %v", err)
		}
		size := 0
		for _, e := range whole {
			size += len(e) - len(": ")
		}
		if size > len(wire) {
			t.Errorf("%d bytes became %d: %q", len(wire), size, whole)
		}
	})
}

func TestEventsStopWhenToldTo(t *testing.T) {
	n := 0
	for range events(strings.NewReader("data: a\n\ndata: b\n\n")) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d events", n)
	}
}

// BenchmarkEvents reads a stream of 32 events of some 200 bytes, the size of a
// chat chunk.
func BenchmarkEvents(b *testing.B) {
	text := strings.Repeat("data: "+strings.Repeat("x", 192)+"\n\n", 32) + "data: [DONE]\n\n"
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for range events(strings.NewReader(text)) {
			n++
		}
		if n != 33 {
			b.Fatal(fmt.Sprint(n, " events"))
		}
	}
}
