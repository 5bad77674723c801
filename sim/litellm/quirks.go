package litellm

// Quirk is one thing that releases of LiteLLM do and a limiter done right does
// not, or does otherwise.
type Quirk string

// The quirks. Traits says of each what it is and which releases have it.
const (
	// ChargesAfterAnswer and OneTokenAhead are what LiteLLM does without a
	// reservation; switching the reservation off brings them back.
	ChargesAfterAnswer Quirk = "charges-after-answer"
	OneTokenAhead      Quirk = "one-token-ahead"
	OutputOnly         Quirk = "output-only"

	SharedWindowKey     Quirk = "shared-window-key"
	NoExpiryOnIncrement Quirk = "no-expiry-on-increment"
	TenMinuteCounters   Quirk = "ten-minute-counters"
	BlindLocalCheck     Quirk = "blind-local-check"
	WholeSecondWindows  Quirk = "whole-second-windows"
	LateCharges         Quirk = "late-charges"
	SmallCache          Quirk = "small-cache"

	UnguardedSettle         Quirk = "unguarded-settle"
	UncappedFloor           Quirk = "uncapped-floor"
	InjectsMaxTokens        Quirk = "injects-max-tokens"
	ResponsesReservedAsText Quirk = "responses-reserved-as-input"
	ReservationSwitch       Quirk = "reservation-switch"

	WindowedInFlight      Quirk = "windowed-in-flight"
	ReleaseWithoutAcquire Quirk = "release-without-acquire"
	RefusalsCharged       Quirk = "refusals-charged"

	TeamModelTwice              Quirk = "team-model-counted-twice"
	TeamModelsUnlimited         Quirk = "team-models-unlimited"
	OrganizationsUnlimited      Quirk = "organizations-unlimited"
	OrganizationTokensUncharged Quirk = "organization-tokens-uncharged"

	LeaverRunsOn     Quirk = "leaver-runs-on"
	LeaverNotSettled Quirk = "leaver-not-settled"

	ResponsesUncounted  Quirk = "responses-uncounted"
	EmbeddingsUncounted Quirk = "embeddings-uncounted"

	NoHeadersOnStreams         Quirk = "no-headers-on-streams"
	NoHeadersOnMessages        Quirk = "no-headers-on-messages"
	ProviderNumbers            Quirk = "provider-numbers"
	ProviderNumbersOnStreams   Quirk = "provider-numbers-on-streams"
	NoProviderHeadersOnStreams Quirk = "no-provider-headers-on-streams"
	WholeWindowRetryAfter      Quirk = "whole-window-retry-after"
	NoRetryAfterBesideChat     Quirk = "no-retry-after-beside-chat"
	LocalTimeReset             Quirk = "local-time-reset"
	NoneInErrors               Quirk = "none-in-errors"
	InternalFieldsUpstream     Quirk = "internal-fields-upstream"
	InternalMetadataOnResponse Quirk = "internal-metadata-on-responses"
	AsksForUsage               Quirk = "asks-for-usage"
)

// Trait is a quirk with the releases that have it.
type Trait struct {
	Quirk Quirk
	// Issue is the number of the issue or pull request of LiteLLM; empty where
	// none is known.
	Issue string
	// From is the first release that has it, Before the first that has it no
	// more; empty is still there in the newest.
	From, Before string
	// What is what the releases do.
	What string
}

// The ends of the generations.
const (
	// firstRelease is the first whose default limiter is the third one.
	firstRelease = "1.77.2"
	// newestRelease is the newest that the model was held against.
	newestRelease = "1.109.1"

	limitsOwners = "1.79.0"  // organizations and the models of teams have limits (PR 15549)
	reserves     = "1.85.0"  // tokens are reserved before the call (PR 27001)
	capsFloor    = "1.88.0"  // small limits get a small floor (PR 28805)
	countsSlots  = "1.94.0"  // requests in flight are a gauge (PR 32441)
	resetsAll    = "1.103.0" // a window that opens deletes the counters beside it
	countsOutput = "1.81.0"  // the total counts from here on
)

// Traits returns the whole table, in the order in which it is printed. Where a
// release between two that were read or run changed something, the boundary is
// the earliest that its release notes or its code name.
func Traits() []Trait {
	return []Trait{
		{ChargesAfterAnswer, "18730", firstRelease, reserves, "tokens are checked before a call and charged after its answer"},
		{OneTokenAhead, "", firstRelease, reserves, "each request that is looked at costs one token, beside its usage"},
		{OutputOnly, "17664", firstRelease, countsOutput, "only the tokens of the answer count"},

		{SharedWindowKey, "24677", firstRelease, resetsAll, "the counters of a key share one window mark, and a window that turns resets only the first of them"},
		{NoExpiryOnIncrement, "24677", firstRelease, countsOutput, "in Redis a counter gets no expiry when a request makes it within a window"},
		{TenMinuteCounters, "24677", firstRelease, "", "in memory a counter that a charge after the answer makes lives for 600 s"},
		{BlindLocalCheck, "38523", firstRelease, "", "a counter over its limit in the process's own memory refuses, whatever its window"},
		{WholeSecondWindows, "", firstRelease, "", "windows begin on whole seconds, so that they are up to a second short"},
		{LateCharges, "", firstRelease, "", "what is charged after an answer is charged 0.2 s after it"},
		{SmallCache, "36541", firstRelease, "1.106.0", "the memory holds 200 counters, and drops those that expire first"},

		{UnguardedSettle, "", reserves, "", "a reservation is settled into whatever window is open by then"},
		{UncappedFloor, "28805", reserves, capsFloor, "without max_tokens 1024 tokens are reserved, however small the limit"},
		{InjectsMaxTokens, "28805", capsFloor, "", "below 4096 tokens a request without max_tokens is sent on with a quarter of the limit"},
		{ResponsesReservedAsText, "34728", reserves, "1.99.0", "of /v1/responses only the input is reserved"},
		{ReservationSwitch, "30211", "1.91.0", "", "LITELLM_TPM_TOKEN_RESERVATION_ENABLED=false charges after the answer again"},

		{WindowedInFlight, "16011", firstRelease, countsSlots, "requests in flight are a counter that goes with the window"},
		{ReleaseWithoutAcquire, "16011", firstRelease, countsSlots, "a refused request gives back a slot, whether or not it had one"},
		{RefusalsCharged, "39309", firstRelease, "", "a request refused for another limit stays charged to the request limit"},

		{TeamModelTwice, "37789", limitsOwners, resetsAll, "a team's descriptor for a model stands there twice, so that each request is counted for it twice"},
		{TeamModelsUnlimited, "", firstRelease, limitsOwners, "a team's limits for models are not looked at"},
		{OrganizationsUnlimited, "15549", firstRelease, limitsOwners, "an organization's limits are not looked at"},
		{OrganizationTokensUncharged, "", firstRelease, reserves, "what an answer used is not charged to its organization"},

		{LeaverRunsOn, "", firstRelease, "1.82.0", "a stream whose client leaves is read to its end"},
		{LeaverNotSettled, "27955", "1.82.0", "1.91.0", "a stream whose client leaves is never settled: its slot stays taken, and it costs what it cost before its call"},

		{ResponsesUncounted, "17706", firstRelease, "1.80.10", "the usage of /v1/responses is not read"},
		{EmbeddingsUncounted, "27738", firstRelease, "1.91.0", "the usage of embeddings and text completions that are not streamed is not read"},

		{NoHeadersOnStreams, "27748", firstRelease, "", "streams carry no rate headers"},
		{NoHeadersOnMessages, "27748", firstRelease, "1.103.0", "answers of /v1/messages carry no rate headers"},
		{ProviderNumbers, "", firstRelease, "", "the unprefixed rate headers are the provider's"},
		{ProviderNumbersOnStreams, "", "1.82.0", "", "and on streams too"},
		{NoProviderHeadersOnStreams, "", firstRelease, "1.82.0", "streams do not pass on what the provider's headers say"},
		{WholeWindowRetryAfter, "4695", firstRelease, "", "retry-after and reset_at tell a whole window, however little of it is left"},
		{NoRetryAfterBesideChat, "", firstRelease, "", "refusals of /v1/completions and /v1/messages have no retry-after"},
		{LocalTimeReset, "39816", firstRelease, "1.103.0", "reset_at is local time labelled UTC"},
		{NoneInErrors, "", firstRelease, "1.89.0", "type and param of an error are the text None"},
		{InternalFieldsUpstream, "27913", reserves, "1.86.0", "the limiter's descriptors stand in the body that goes upstream"},
		{InternalMetadataOnResponse, "35197", reserves, "1.99.0", "the limiter's notes stand in the metadata of /v1/responses"},
		{AsksForUsage, "", "1.98.0", "", "streams upstream are asked for their usage"},
	}
}
