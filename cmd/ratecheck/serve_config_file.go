package main

import (
	"fmt"
	"io"
	"os"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// configSize is the most that is read of a file of what to serve, in bytes: a
// hundred bytes for each of ten thousand keys. A device or a history that was
// named by mistake is told, and not read to its end.
const configSize = 1 << 20

// configDepth is how deep flow collections may be nested, and configColumn how
// far to the right a block collection may begin, which bounds the depth of those.
// What a configuration can say is five deep. The parser's memory grows with the
// square of the depth: a million opening brackets take more than 24 GB.
const (
	configDepth  = 100
	configColumn = 1000
)

// readConfigFile reads the bytes of a file of what to serve.
func readConfigFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, configSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if len(text) > configSize {
		return nil, fmt.Errorf("reading the configuration: %s is longer than %d bytes; name a YAML file, and make further keys by the management API", path, configSize)
	}
	return text, nil
}

// tokens are those of a text that is nested no deeper than the parser can bear.
func (c *config) tokens(text string) (token.Tokens, error) {
	tokens := lexer.Tokenize(text)
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType, token.MappingValueType, token.MappingKeyType:
			if depth <= 0 && t.Position.Column > configColumn {
				return nil, fmt.Errorf("%s:%d:%d: nested too deep: a list or a mapping begins in the first %d columns", c.name, t.Position.Line, t.Position.Column, configColumn)
			}
		}
		if depth > configDepth {
			return nil, fmt.Errorf("%s:%d:%d: nested too deep: at most %d lists and mappings may be open", c.name, t.Position.Line, t.Position.Column, configDepth)
		}
	}
	return tokens, nil
}
