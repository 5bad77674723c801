package reference

// contentOf says what of an endpoint's body a model reads and writes (rule 11:
// the endpoint decides which fields count, not their presence).
type contentOf struct {
	read func(c *content, f *fields)
	// choices is set where n asks for several answers, each with an output.
	choices bool
	// silent is set where nothing is written, whatever the body says.
	silent bool
}

var (
	chatContent = contentOf{choices: true, read: func(c *content, f *fields) {
		c.addMessages(f.messages, chatPart)
		c.addTools(f.tools)
	}}
	completionContent = contentOf{choices: true, read: func(c *content, f *fields) { c.addPrompt(f.prompt) }}
	embeddingContent  = contentOf{silent: true, read: func(c *content, f *fields) { c.addPrompt(f.input) }}
	responseContent   = contentOf{read: func(c *content, f *fields) {
		c.addInput(f.input)
		c.addParts(f.instructions, responsesPart)
		c.addTools(f.tools)
	}}
	messageContent = contentOf{read: func(c *content, f *fields) {
		c.addMessages(f.messages, messagesPart)
		c.addParts(f.system, messagesPart)
		c.addTools(f.tools)
	}}
)

// asked is a body that was read, before anything is known of the limits.
type asked struct {
	fields
	of contentOf
	in content
}

// from reads a body. The error is EstimateChat's for a body that is no JSON
// object.
func (of contentOf) from(body []byte) (asked, error) {
	object, err := readObject(body)
	if err != nil {
		return asked{}, err
	}
	a := asked{fields: readFields(object), of: of}
	if !of.choices {
		a.n = nil
	}
	of.read(&a.in, &a.fields)
	return a, nil
}

func (a *asked) estimate(smallestTokenLimit int64, basis TokenBasis) (Estimate, error) {
	if a.of.silent {
		return Estimate{Input: a.in.tokens(), Model: string(a.model.text())}, nil
	}
	return a.fields.estimate(a.in, smallestTokenLimit, basis)
}

func (of contentOf) estimate(body []byte, smallestTokenLimit int64) (Estimate, error) {
	a, err := of.from(body)
	if err != nil {
		return Estimate{}, err
	}
	return a.estimate(smallestTokenLimit, TotalTokens)
}

// EstimateCompletion estimates the body of a text completion: its `prompt`. See
// EstimateChat for the rest.
func EstimateCompletion(body []byte, smallestTokenLimit int64) (Estimate, error) {
	return completionContent.estimate(body, smallestTokenLimit)
}

// EstimateEmbedding estimates the body of a call for embeddings: its `input`.
// There is no output, whatever else the body says, and no stream. The error is
// that of EstimateChat for a body that is no JSON object.
func EstimateEmbedding(body []byte, smallestTokenLimit int64) (Estimate, error) {
	return embeddingContent.estimate(body, smallestTokenLimit)
}

// EstimateResponse estimates the body of a call to responses: `input`,
// `instructions` and `tools`. It has one output, whatever `n` says. See
// EstimateChat for the rest.
func EstimateResponse(body []byte, smallestTokenLimit int64) (Estimate, error) {
	return responseContent.estimate(body, smallestTokenLimit)
}

// EstimateMessage estimates the body of a call to messages: `messages`, `system`
// and `tools`. It has one output, whatever `n` says. See EstimateChat for the
// rest.
func EstimateMessage(body []byte, smallestTokenLimit int64) (Estimate, error) {
	return messageContent.estimate(body, smallestTokenLimit)
}
