package checker

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// products are names of proxies, gateways and limiters, and what gives them
// away. Whole words, in any case; the wire format's own names (OpenAI,
// Anthropic, x-ratelimit-*) are not among them.
func products() *regexp.Regexp {
	names := []string{
		"litellm", "bifrost", "kong", "apisix", "higress", "envoy", "istio", "kuadrant", "limitador", "wasm-shim",
		"agentgateway", "kgateway", "tensorzero", "helicone", "portkey", "gomodel", "aisix", "traefik", "nginx", "openresty",
		"haproxy", "cloudflare", "apim", "bedrock", "mlflow", "databricks", "gravitee", "mulesoft", "wso2", "truefoundry",
		"vercel", "openrouter", "sglang", "vllm", "smg", "new-api", "one-api", "any-llm", "otari", "semantic-router",
		"uvicorn", "fastapi", "starlette", "gunicorn", "tyk", "krakend", "zuplo",
	}
	return regexp.MustCompile(`(?i)(^|[^a-z])(` + strings.Join(names, "|") + `)([^a-z]|$)`)
}

// version is a release's number, such as v1.82.3; two parts may be a time.
var version = regexp.MustCompile(`\bv?\d+\.\d+\.\d+\b`)

// address is a section of an RFC, which looks like a version.
var address = regexp.MustCompile(`\bsection \d+(\.\d+)*`)

// contract are ids with a product's name in them: they say whose documented
// headers are meant, and people's CI names them.
func contract() *strings.Replacer { return strings.NewReplacer(`"headers/litellm-typed"`, "") }

// TestNoProductIsNamed: scenarios and judges see a base URL, keys and a clock. A
// product's name, version or quirk stands in a requirement's source alone, where
// it says where a sentence comes from.
func TestNoProductIsNamed(t *testing.T) {
	files := 0
	for _, dir := range []string{".", "window", "../scenarios"} {
		paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if path == "words_test.go" {
				continue
			}
			files++
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range named(string(text)) {
				t.Errorf("%s:%s", path, found)
			}
		}
	}
	const least = 30
	if files < least {
		t.Fatalf("%d files were read, there are more: are the folders still where they were?", files)
	}
}

// named lists the lines of a Go file that name a product or a version outside
// of a Source.
func named(text string) (found []string) {
	names := products()
	n := 0
	for line := range strings.Lines(text) {
		n++
		if strings.HasPrefix(strings.TrimSpace(line), "Source:") {
			continue
		}
		line = contract().Replace(line)
		if names.MatchString(line) || version.MatchString(address.ReplaceAllString(line, "")) {
			found = append(found, fmt.Sprintf("%d: %s", n, strings.TrimSpace(line)))
		}
	}
	return found
}

func TestNamedFindsNames(t *testing.T) {
	for line, want := range map[string]int{
		`// as LiteLLM's do`:                                   1,
		`header["x-litellm-version"]`:                          1,
		`	ID: "headers/litellm-typed", Level: Must,`:           0,
		`asks := "headers/litellm-typed" // as LiteLLM's`:      1,
		`"Kong refuses so"`:                                    1,
		`// measured on v1.82.3`:                               1,
		`// up to 1.82.3`:                                      1,
		`	Source: "LiteLLM 24677",`:                            0,
		`	Source:   "Envoy AI Gateway 680; RFC 9110 10.2.3",`:  0,
		`value := 1.82`:                                        0,
		`// RFC 9110 section 10.2.3 says so`:                   0,
		`// gateways are known to use others`:                  0,
		`// an OpenAI-compatible proxy`:                        0,
		"// fine\n// Kuadrant's\n// fine":                      1,
		`// Hongkong, envoys and strongly`:                     0,
		"	Sentence: \"As Envoy does.\", // not a Source: Kong": 1,
	} {
		if got := named(line); len(got) != want {
			t.Errorf("%q: found %v, want %d", line, got, want)
		}
	}
}
