package history

import "slices"

// The endpoints, as attempts, calls and plans name them.
const (
	// Chat is POST /v1/chat/completions; an empty name stands for it in a Plan.
	Chat = "chat"
	// Completions is POST /v1/completions, the text completions.
	Completions = "completions"
	// Embeddings is POST /v1/embeddings, which is never streamed.
	Embeddings = "embeddings"
	// Responses is POST /v1/responses.
	Responses = "responses"
	// Messages is POST /v1/messages, Anthropic's.
	Messages = "messages"
)

// Endpoints are the names of all endpoints, chat first.
func Endpoints() []string { return []string{Chat, Completions, Embeddings, Responses, Messages} }

// IsEndpoint says whether a name is an endpoint's.
func IsEndpoint(name string) bool { return slices.Contains(Endpoints(), name) }

// EndpointPath is where an endpoint is below a base URL without /v1.
func EndpointPath(name string) string {
	if name == Chat || name == "" {
		return "/v1/chat/completions"
	}
	return "/v1/" + name
}
