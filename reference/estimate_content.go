package reference

// partKind is a kind of part of a message.
type partKind int

const (
	// unknownPart is one of which nothing is known; the settlement will tell.
	unknownPart partKind = iota
	textPart
	imagePart
	audioPart
	filePart
	// resultPart is what a tool gave: text or parts.
	resultPart
)

func chatPart(kind string) partKind {
	switch kind {
	case "text":
		return textPart
	case "image_url":
		return imagePart
	case "input_audio":
		return audioPart
	case "file":
		return filePart
	}
	return unknownPart
}

func responsesPart(kind string) partKind {
	switch kind {
	case "input_text", "output_text":
		return textPart
	case "input_image":
		return imagePart
	case "input_audio":
		return audioPart
	case "input_file":
		return filePart
	}
	return unknownPart
}

func messagesPart(kind string) partKind {
	switch kind {
	case "text":
		return textPart
	case "image":
		return imagePart
	case "document":
		return filePart
	case "tool_result":
		return resultPart
	}
	return unknownPart
}

// addMessages adds the content of messages; roles and names are not text. Kinds
// tells the parts of the endpoint.
func (c *content) addMessages(messages jsonValue, kinds func(string) partKind) {
	messages.elements(func(message jsonValue) {
		var value jsonValue
		message.members(func(name []byte, v jsonValue) {
			if string(name) == "content" {
				value = v
			}
		})
		c.addParts(value, kinds)
	})
}

// addParts adds what is a text or a list of parts.
func (c *content) addParts(value jsonValue, kinds func(string) partKind) {
	c.codePoints += value.codePoints()
	value.elements(func(v jsonValue) { c.addPart(v, kinds) })
}

func (c *content) addPart(value jsonValue, kinds func(string) partKind) {
	var kind, text, inner jsonValue
	value.members(func(name []byte, v jsonValue) {
		switch string(name) {
		case "type":
			kind = v
		case "text":
			text = v
		case "content":
			inner = v
		}
	})
	switch kinds(string(kind.text())) {
	case textPart:
		c.codePoints += text.codePoints()
	case imagePart:
		c.media += imageTokens
	case audioPart:
		c.media += audioTokens
	case filePart:
		c.media += fileTokens
	case resultPart:
		c.addParts(inner, kinds)
	}
}

// addPrompt adds a prompt of text completions or an input of embeddings: a
// text, a list of texts, a list of token ids, or a list of such lists.
func (c *content) addPrompt(prompt jsonValue) {
	c.codePoints += prompt.codePoints()
	prompt.elements(func(v jsonValue) {
		c.codePoints += v.codePoints()
		c.media += v.tokenIDs()
		v.elements(func(id jsonValue) { c.media += id.tokenIDs() })
	})
}

// tokenIDs is 1 for a number and 0 for any other value.
func (v jsonValue) tokenIDs() int64 {
	if len(v) > 0 && (v[0] == '-' || v[0] >= '0' && v[0] <= '9') {
		return 1
	}
	return 0
}

// addInput adds the input of responses: a text, or a list of items of which
// messages have content, and the calls of tools what they were given and gave.
func (c *content) addInput(input jsonValue) {
	c.codePoints += input.codePoints()
	input.elements(func(item jsonValue) {
		var value, arguments, output jsonValue
		item.members(func(name []byte, v jsonValue) {
			switch string(name) {
			case "content":
				value = v
			case "arguments":
				arguments = v
			case "output":
				output = v
			}
		})
		c.addParts(value, responsesPart)
		c.addParts(output, responsesPart)
		c.codePoints += arguments.codePoints()
	})
}
