package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// word is one token in common vocabularies and four code points long, so that a
// text is as long as its usage says by either count.
const word = " the"

// defaultChunks is how many chunks a stream has when its script does not say.
const defaultChunks = 3

type chatUsage struct {
	PromptTokens     int64              `json:"prompt_tokens"`
	CompletionTokens int64              `json:"completion_tokens"`
	TotalTokens      int64              `json:"total_tokens"`
	Details          *chatPromptDetails `json:"prompt_tokens_details,omitempty"`
}

type chatPromptDetails struct {
	CachedTokens int64 `json:"cached_tokens"`
}

type chatMessage struct {
	Role    string `json:"role,omitempty"`
	Content string `json:"content"`
}

type chatDelta struct {
	Role    string `json:"role,omitempty"`
	Content string `json:"content,omitempty"`
}

type chatChoice struct {
	Index        int          `json:"index"`
	Message      *chatMessage `json:"message,omitempty"`
	Delta        *chatDelta   `json:"delta,omitempty"`
	FinishReason *string      `json:"finish_reason"`
}

type chatAnswer struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []chatChoice `json:"choices"`
	Usage   *chatUsage   `json:"usage,omitempty"`
}

func (c *call) envelope(object string) chatAnswer {
	return chatAnswer{
		ID: "chatcmpl-" + strconv.Itoa(c.record.ID), Object: object,
		Created: c.provider.clock.Now().Unix(), Model: c.request.Model, Choices: []chatChoice{},
	}
}

func (c *call) usage() *chatUsage {
	u := c.record.Usage
	usage := &chatUsage{PromptTokens: u.Prompt, CompletionTokens: u.Completion, TotalTokens: u.Total}
	if u.Cached > 0 {
		usage.Details = &chatPromptDetails{CachedTokens: u.Cached}
	}
	return usage
}

// text is what is said: the nonce where that was asked for, else as many words
// as the completion has tokens.
func (c *call) text() string {
	if c.script.Handshake {
		return handshakeText(c.record.Nonce)
	}
	return strings.Repeat(word, int(c.script.CompletionTokens))
}

func (c *call) answerChat(w http.ResponseWriter) {
	if c.script.CutAfter > 0 {
		c.record.Cut = true
		panic(http.ErrAbortHandler)
	}
	stop := "stop"
	answer := c.envelope("chat.completion")
	answer.Choices = append(answer.Choices, chatChoice{
		Message: &chatMessage{Role: "assistant", Content: c.text()}, FinishReason: &stop,
	})
	if !c.script.WithoutUsage {
		answer.Usage = c.usage()
	}
	c.firstByte()
	c.record.Produced = c.script.CompletionTokens
	c.lastByte()
	writeJSON(w, http.StatusOK, answer)
}

func (c *call) streamChat(w http.ResponseWriter, ctx context.Context) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	c.firstByte()
	s := &chatStream{call: c, w: w, ctx: ctx}
	if s.chunks(); s.broken {
		return
	}
	stop := "stop"
	s.send([]chatChoice{{Delta: &chatDelta{}, FinishReason: &stop}}, nil)
	if c.request.StreamOptions.IncludeUsage && !c.script.WithoutUsage {
		s.send([]chatChoice{}, c.usage())
	}
	c.lastByte()
	s.write("data: [DONE]\n\n")
}

type chatStream struct {
	call   *call
	w      http.ResponseWriter
	ctx    context.Context
	broken bool
}

func (s *chatStream) chunks() {
	c := s.call
	chunks := c.script.Chunks
	if chunks <= 0 {
		chunks = defaultChunks
	}
	if c.script.Handshake {
		s.send([]chatChoice{{Delta: &chatDelta{Role: "assistant", Content: c.text()}}}, nil)
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
		delta := &chatDelta{Content: strings.Repeat(word, int(share))}
		if i == 0 {
			delta.Role = "assistant"
		}
		s.send([]chatChoice{{Delta: delta}}, nil)
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
func (s *chatStream) produced(tokens int64) {
	if !s.broken {
		s.call.record.Produced += tokens
	}
}

func (s *chatStream) send(choices []chatChoice, usage *chatUsage) {
	answer := s.call.envelope("chat.completion.chunk")
	answer.Choices, answer.Usage = choices, usage
	line, err := json.Marshal(answer)
	if err != nil {
		s.leave()
		return
	}
	s.write(fmt.Sprintf("data: %s\n\n", line))
}

func (s *chatStream) write(text string) {
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

func (s *chatStream) leave() {
	s.call.record.Gone, s.broken = true, true
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func writeError(w http.ResponseWriter, status int, kind, message string) {
	writeJSON(w, status, map[string]any{"error": map[string]any{
		"message": message, "type": kind, "param": nil, "code": strconv.Itoa(status),
	}})
}
