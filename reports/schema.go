package reports

import (
	_ "embed"
	"slices"
)

//go:embed report.schema.json
var schemaJSON []byte

// SchemaJSON is the JSON Schema (draft 2020-12) of what JSON writes. The caller
// owns the copy.
func SchemaJSON() []byte { return slices.Clone(schemaJSON) }
