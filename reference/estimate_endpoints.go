package reference

// EstimateCompletion estimates the body of a text completion: its `prompt`. See
// EstimateChat for the rest.
func EstimateCompletion(body []byte, smallestTokenLimit int64) (Estimate, error) {
	object, err := readObject(body)
	if err != nil {
		return Estimate{}, err
	}
	f := readFields(object)
	var in content
	in.addPrompt(f.prompt)
	return f.estimate(in, smallestTokenLimit)
}

// EstimateEmbedding estimates the body of a call for embeddings: its `input`.
// There is no output, whatever else the body says, and no stream. The error is
// that of EstimateChat for a body that is no JSON object.
func EstimateEmbedding(body []byte, _ int64) (Estimate, error) {
	object, err := readObject(body)
	if err != nil {
		return Estimate{}, err
	}
	f := readFields(object)
	var in content
	in.addPrompt(f.input)
	return Estimate{Input: in.tokens(), Model: string(f.model.text())}, nil
}

// EstimateResponse estimates the body of a call to responses: `input`,
// `instructions` and `tools`. It has one output, whatever `n` says. See
// EstimateChat for the rest.
func EstimateResponse(body []byte, smallestTokenLimit int64) (Estimate, error) {
	object, err := readObject(body)
	if err != nil {
		return Estimate{}, err
	}
	f := readFields(object)
	f.n = nil
	var in content
	in.addInput(f.input)
	in.addParts(f.instructions, responsesPart)
	in.addTools(f.tools)
	return f.estimate(in, smallestTokenLimit)
}

// EstimateMessage estimates the body of a call to messages: `messages`, `system`
// and `tools`. It has one output, whatever `n` says. See EstimateChat for the
// rest.
func EstimateMessage(body []byte, smallestTokenLimit int64) (Estimate, error) {
	object, err := readObject(body)
	if err != nil {
		return Estimate{}, err
	}
	f := readFields(object)
	f.n = nil
	var in content
	in.addMessages(f.messages, messagesPart)
	in.addParts(f.system, messagesPart)
	in.addTools(f.tools)
	return f.estimate(in, smallestTokenLimit)
}
