package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// word is one token in common vocabularies and four code points long, so that a
// text is as long as its usage says by either count.
const word = " the"

// defaultChunks is how many chunks a stream has when its script does not say.
const defaultChunks = 3

// text is what is said: the nonce where that was asked for, else as many words
// as the completion has tokens.
func (c *call) text() string {
	if c.script.Handshake {
		return handshakeText(c.record.Nonce)
	}
	return strings.Repeat(word, int(c.script.CompletionTokens))
}

// asksForUsage says whether a stream of OpenAI's older kind ends with a chunk
// of usage.
func (c *call) asksForUsage() bool {
	return c.request.StreamOptions.IncludeUsage && !c.script.WithoutUsage
}

func (c *call) answer(w http.ResponseWriter) {
	if c.script.CutAfter > 0 {
		c.record.Cut = true
		panic(http.ErrAbortHandler)
	}
	answer := c.wire.plain(c)
	c.firstByte()
	c.record.Produced = c.script.CompletionTokens
	c.lastByte()
	writeJSON(w, http.StatusOK, answer)
}

func (c *call) stream(ctx context.Context, w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	c.firstByte()
	s := &stream{call: c, w: w, ctx: ctx}
	c.wire.begin(s)
	if s.chunks(); s.broken {
		return
	}
	c.wire.end(s)
}

// stream is a streamed answer while it is written.
type stream struct {
	call   *call
	w      http.ResponseWriter
	ctx    context.Context
	events int
	broken bool
}

func (s *stream) chunks() {
	c := s.call
	chunks := c.script.Chunks
	if chunks <= 0 {
		chunks = defaultChunks
	}
	if c.script.Handshake {
		c.wire.chunk(s, 0, c.text())
		s.produced(c.script.CompletionTokens)
		return
	}
	left := c.script.CompletionTokens
	for i := range chunks {
		if i > 0 {
			if err := c.provider.clock.Sleep(s.ctx, c.script.ChunkDelay); err != nil {
				s.leave()
				return
			}
		}
		share := left / int64(chunks-i)
		left -= share
		c.wire.chunk(s, i, strings.Repeat(word, int(share)))
		s.produced(share)
		if s.broken {
			return
		}
		if i+1 == c.script.CutAfter {
			c.record.Cut, s.broken = true, true
			panic(http.ErrAbortHandler)
		}
	}
}

// produced counts the tokens of a chunk, if it went out.
func (s *stream) produced(tokens int64) {
	if !s.broken {
		s.call.record.Produced += tokens
		s.call.record.Chunks++
	}
}

// data writes an event without a name.
func (s *stream) data(v any) {
	if line, ok := s.encode(v); ok {
		s.write("data: " + line + "\n\n")
	}
}

// named writes an event under a name.
func (s *stream) named(name string, v any) {
	if line, ok := s.encode(v); ok {
		s.write(eventText(name, line))
	}
}

// lastNamed writes the event that ends a stream.
func (s *stream) lastNamed(name string, v any) {
	if line, ok := s.encode(v); ok {
		s.last(eventText(name, line))
	}
}

func eventText(name, data string) string { return fmt.Sprintf("event: %s\ndata: %s\n\n", name, data) }

func (s *stream) encode(v any) (string, bool) {
	line, err := json.Marshal(v)
	if err != nil {
		s.leave()
	}
	return string(line), err == nil
}

// last writes what ends a stream.
func (s *stream) last(text string) {
	s.call.lastByte()
	s.write(text)
}

func (s *stream) write(text string) {
	if s.broken {
		return
	}
	if _, err := s.w.Write([]byte(text)); err != nil || s.ctx.Err() != nil {
		s.leave()
		return
	}
	if f, ok := s.w.(http.Flusher); ok {
		f.Flush()
	}
}

func (s *stream) leave() {
	s.call.record.Gone, s.broken = true, true
}
