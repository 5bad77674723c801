package scenarios

import "strconv"

// providersRates are rate headers of the provider's own: whose numbers is a
// client told? Each number is that of one request, so that it can be told whose
// it is; no limit of a key is near.
func providersRates(i int) map[string]string {
	number := func(from int) string { return strconv.Itoa(from + i) }
	return map[string]string{
		"X-Ratelimit-Limit-Requests": number(30_100), "X-Ratelimit-Remaining-Requests": number(20_200),
		"X-Ratelimit-Limit-Tokens": number(900_300), "X-Ratelimit-Remaining-Tokens": number(800_400),
		"Openai-Processing-Ms": number(500),
	}
}
