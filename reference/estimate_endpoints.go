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

// from reads a body. An error means that it is no JSON object: the request is to
// be answered with 400 and charged nothing. It names the byte and is fit for the
// client to read.
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

// estimate is what the request is taken for; see fields.estimate. An endpoint
// that writes nothing has no output and no stream, whatever the body says.
func (a *asked) estimate(smallestTokenLimit int64, basis TokenBasis) (estimate, error) {
	if a.of.silent {
		return estimate{Input: a.in.tokens(), Model: string(a.model.text())}, nil
	}
	return a.fields.estimate(a.in, smallestTokenLimit, basis)
}
