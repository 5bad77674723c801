package reference

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
)

const (
	// charsPerToken is rule 11's: four code points of English are about one
	// token.
	charsPerToken = 4

	// imageTokens is what OpenAI charges for an image of 1024 x 1024 in high
	// detail (85, and 170 for each of four tiles).
	imageTokens = 765

	// audioTokens is a minute of speech, at OpenAI's one token per 100 ms.
	audioTokens = 600

	// fileTokens is a page of a document, which providers read both as text and
	// as an image.
	fileTokens = 1500

	// outputFloor is what an answer is taken for at least where the client named
	// no maximum (rule 12).
	outputFloor = 1024
)

// estimate is what a request will cost before anything of it is known from the
// provider (rules 11 and 12), and what else the body says of how it is to be
// answered.
type estimate struct {
	// Input and Output are tokens, 0 or more.
	Input, Output int64
	// Stream is set when the answer is to be a stream.
	Stream bool
	// StreamUsage is set when the client itself asked for the usage of a stream
	// (stream_options.include_usage).
	StreamUsage bool
	// Model is the model the client asked for; empty where it named none.
	Model string
}

// Total is the tokens to reserve: input and output, never below 1, and at most
// the largest int64.
func (e estimate) Total() int64 {
	return max(1, addTokens(e.Input, e.Output))
}

// Of is the tokens to reserve where a limit counts tokens of this basis (rule
// 13), never below 1.
func (e estimate) Of(basis TokenBasis) int64 {
	switch basis {
	case InputTokens:
		return max(1, e.Input)
	case OutputTokens:
		return max(1, e.Output)
	}
	return e.Total()
}

// fields are the members of a body that some endpoint reads. Where a name comes
// twice the last one counts, as it does for the providers.
type fields struct {
	model, stream, streamOptions jsonValue
	messages, tools              jsonValue
	prompt, input                jsonValue
	system, instructions         jsonValue
	n                            jsonValue
	user, metadata               jsonValue
	sessionID, ourMetadata       jsonValue
	most                         [len(mostNames)]jsonValue
}

// mostNames are the fields that limit the output (rule 12).
var mostNames = [...]string{"max_tokens", "max_completion_tokens", "max_output_tokens"}

func readFields(object jsonValue) fields {
	var f fields
	object.members(func(name []byte, value jsonValue) {
		switch string(name) {
		case "model":
			f.model = value
		case "stream":
			f.stream = value
		case "stream_options":
			f.streamOptions = value
		case "messages":
			f.messages = value
		case "tools":
			f.tools = value
		case "prompt":
			f.prompt = value
		case "input":
			f.input = value
		case "system":
			f.system = value
		case "instructions":
			f.instructions = value
		case "n":
			f.n = value
		case "user":
			f.user = value
		case "metadata":
			f.metadata = value
		case ourSession:
			f.sessionID = value
		case ourMetadata:
			f.ourMetadata = value
		default:
			for i := range mostNames {
				if string(name) == mostNames[i] {
					f.most[i] = value
				}
			}
		}
	})
	return f
}

// estimate adds the output to an endpoint's content. Only what is counted by
// this basis must fit the limit: the smallest that the tokens will be charged
// to, or Unlimited.
//
// An error means that one of mostNames and n is not an integer in its range: the
// request is to be answered with 400 and charged nothing. It names the field and
// is fit for the client to read.
func (f *fields) estimate(in content, smallestTokenLimit int64, basis TokenBasis) (estimate, error) {
	e := estimate{
		Input:  in.tokens(),
		Stream: string(f.stream) == "true",
		Model:  string(f.model.text()),
	}
	f.streamOptions.members(func(name []byte, value jsonValue) {
		if string(name) == "include_usage" {
			e.StreamUsage = string(value) == "true"
		}
	})
	output, given, err := f.maximum()
	switch {
	case err != nil:
		return estimate{}, err
	case given:
		e.Output = output
	case e.Input > 0:
		e.Output = guessOutput(e.Input, smallestTokenLimit, basis)
	}
	return e, nil
}

// maximum is the most tokens the client lets the answer have, over all its
// choices.
func (f *fields) maximum() (most int64, given bool, err error) {
	for i, v := range f.most {
		if v.absent() {
			continue
		}
		value, err := v.integer(mostNames[i], 0)
		if err != nil {
			return 0, false, err
		}
		most, given = max(most, value), true
	}
	n := int64(1)
	if !f.n.absent() {
		if n, err = f.n.integer("n", 1); err != nil {
			return 0, false, err
		}
	}
	high, low := bits.Mul64(uint64(most), uint64(n))
	if high != 0 || low > math.MaxInt64 {
		return math.MaxInt64, given, nil
	}
	return int64(low), given, nil
}

// guessOutput is the output of a request that names no maximum. It leaves room
// for the input under the limit, where that counts, so that it alone makes no
// request unfit.
func guessOutput(input, smallestTokenLimit int64, basis TokenBasis) int64 {
	guess := max(input, guessFloor(smallestTokenLimit))
	switch {
	case smallestTokenLimit < 0 || basis == InputTokens:
		return guess
	case basis == OutputTokens:
		return min(guess, smallestTokenLimit)
	}
	return max(0, min(guess, smallestTokenLimit-input))
}

// guessFloor is the least that such a guess begins with.
func guessFloor(smallestTokenLimit int64) int64 {
	if smallestTokenLimit < 0 {
		return outputFloor
	}
	return min(outputFloor, max(1, smallestTokenLimit/4))
}

// content sums up what a request gives a model to read.
type content struct {
	codePoints int64
	// media are tokens: of what is no text, and of text that came as ids.
	media int64
}

// tokens is rule 11's count, at least 1 if there is any text.
func (c content) tokens() int64 {
	if c.codePoints == 0 {
		return c.media
	}
	return c.media + max(1, c.codePoints/charsPerToken)
}

// addTools adds tools, which a model reads as JSON text. An empty list is
// nothing to read.
func (c *content) addTools(tools jsonValue) {
	some := false
	tools.elements(func(jsonValue) { some = true })
	if some {
		c.codePoints += tools.compactLength()
	}
}

// absent reports whether a field is missing or null, which is the same to the
// providers.
func (v jsonValue) absent() bool { return len(v) == 0 || string(v) == "null" }

// integer is the value of the field called name. One too large for an int64 is
// the largest of them: it fits no limit either way.
func (v jsonValue) integer(name string, least int64) (int64, error) {
	n, err := strconv.ParseInt(string(v), 10, 64)
	// ParseInt finds a number too large before it has seen all of it.
	if errors.Is(err, strconv.ErrRange) && v[0] != '-' && !bytes.ContainsAny(v, ".eE") {
		return math.MaxInt64, nil
	}
	if err != nil || n < least {
		return 0, fmt.Errorf("%s is %s; send an integer of at least %d, or leave it out", name, v.short(), least)
	}
	return n, nil
}
