package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// typicalAttempt is an admitted request as a run against a proxy records it.
func typicalAttempt(id int) Attempt {
	sent := time.Duration(id) * 731_219 * time.Nanosecond
	return Attempt{
		ID:       id,
		Scenario: "requests/burst",
		Step:     "burst-2",
		Asks:     []string{"enforcement/requests/ceiling", "enforcement/requests/no-false-refusal", "contract/retry-after"},
		Key:      "k3",
		Endpoint: "/v1/chat/completions",
		Stream:   true,
		Nonce:    "n-5f3a9c0e71d2b846",
		Cap:      512,

		Intended:  sent - 41_007,
		Sent:      sent,
		Headers:   sent + 20*time.Millisecond,
		FirstByte: sent + 21*time.Millisecond,
		Done:      sent + 121*time.Millisecond,

		Status: 200,
		Header: map[string]string{
			"content-type":                     "text/event-stream; charset=utf-8",
			"x-litellm-key-rpm-limit":          "60",
			"x-litellm-key-tpm-limit":          "100000",
			"x-ratelimit-limit-requests":       "60",
			"x-ratelimit-remaining-requests":   "42",
			"x-ratelimit-reset-requests":       "17s",
			"x-litellm-call-id":                "0c6a7c39-3a55-4f7e-9d0c-1f6f1c4b2d11",
			"llm_provider-x-request-remaining": "9999",
		},
		Usage:    &Usage{Prompt: 31, Completion: 64, Total: 95, Cached: 8},
		Events:   12,
		DoneSeen: true,
	}
}

func perSecond(b *testing.B, records int) {
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkWriteAttempt is held to 200,000 records/s, one Write a record, on a
// file as on nothing.
func BenchmarkWriteAttempt(b *testing.B) {
	begin := func(b *testing.B, w io.Writer) func(Attempt) error {
		out := NewWriter(w)
		if err := out.Run(Run{Schema: Schema}); err != nil {
			b.Fatal(err)
		}
		return out.Attempt
	}
	b.Run("discard", func(b *testing.B) {
		benchWrite(b, begin(b, io.Discard))
	})
	b.Run("file", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "history.ndjson"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		benchWrite(b, begin(b, &rewound{f: f, left: rewindAfter}))
	})
}

// rewindAfter keeps a long benchmark from filling the disk; the pages are given
// back, so that each write finds a growing file as a run does.
const rewindAfter = 100_000

type rewound struct {
	f    *os.File
	left int
}

func (r *rewound) Write(p []byte) (int, error) {
	if r.left--; r.left < 0 {
		r.left = rewindAfter
		if err := r.f.Truncate(0); err != nil {
			return 0, err
		}
		if _, err := r.f.Seek(0, io.SeekStart); err != nil {
			return 0, err
		}
	}
	return r.f.Write(p)
}

func benchWrite(b *testing.B, write func(Attempt) error) {
	b.ReportAllocs()
	a := typicalAttempt(1)
	for b.Loop() {
		a.ID++
		if err := write(a); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b, b.N)
}

// BenchmarkReadAttempts is held to 100,000 records/s. Its peer is encoding/json
// line by line, without any of the rules of Read.
func BenchmarkReadAttempts(b *testing.B) {
	const records = 10_000
	h := &History{Run: Run{Schema: Schema}, Keys: []Key{{Alias: "k3"}}}
	for id := 1; id <= records; id++ {
		h.Attempts = append(h.Attempts, typicalAttempt(id))
	}
	var file bytes.Buffer
	if err := writeWhole(&file, h); err != nil {
		b.Fatal(err)
	}
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(file.Len()))
		b.ReportAllocs()
		for b.Loop() {
			got, err := Read(bytes.NewReader(file.Bytes()))
			if err != nil || len(got.Attempts) != records {
				b.Fatalf("%d attempts, %v", len(got.Attempts), err)
			}
		}
		perSecond(b, b.N*records)
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(file.Len()))
		b.ReportAllocs()
		for b.Loop() {
			var got []Attempt
			lines := bufio.NewScanner(bytes.NewReader(file.Bytes()))
			for lines.Scan() {
				var a Attempt
				if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
					b.Fatal(err)
				}
				got = append(got, a)
			}
			if len(got) != records+2 {
				b.Fatalf("%d lines", len(got))
			}
		}
		perSecond(b, b.N*records)
	})
}
