package lab

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"os"
	"strings"
)

// pinnedFiles hold, a file a reviewed release, every package that is installed
// with it, in its exact version and by its hashes. Each tells at its head how it
// was made; it was made beside a list of what was installed when the release was
// reviewed, whose versions it kept. NAME.override says what the index lacked.
//
//go:embed assets/pinned/*.txt
var pinnedFiles embed.FS

// pinnedWith is the requirements file of what was reviewed with a release; ""
// where it was not reviewed.
func pinnedWith(version string) string {
	b, err := pinnedFiles.ReadFile("assets/pinned/" + version + ".txt")
	if err != nil {
		return ""
	}
	return string(b)
}

// PinsDigest is the SHA-256 in hex of the list of packages that were reviewed
// with a release, which is "" for one that was not reviewed. An environment that
// was made by another list is not used again.
func PinsDigest(version string) string {
	pins := pinnedWith(version)
	if pins == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(pins))
	return hex.EncodeToString(sum[:])
}

// digestLetters is as much of the digest as stands in the name of a folder.
const digestLetters = 12

// folderName is the folder of a release's virtual environment. The list of its
// packages is part of the name: an environment by an earlier list stays where it
// is, for a process may run from it.
func folderName(version string) string {
	name := "litellm-" + version
	if digest := PinsDigest(version); digest != "" {
		name += "-" + digest[:digestLetters]
	}
	return name
}

// lackBytes is as much of a reason as is told in a line.
const lackBytes = 240

// whyLacking is what the log of uv or pip says of versions that the index does
// not have for this Python; "" where it failed for another reason. Files of
// other hashes than those reviewed are such a reason: nothing else is taken for
// them.
func whyLacking(log string) string {
	b, err := os.ReadFile(log)
	text := strings.Join(strings.Fields(strings.NewReplacer("╰─▶", "", "│", "").Replace(string(b))), " ")
	lower := strings.ToLower(text)
	if err != nil || strings.Contains(lower, "hash mismatch") || strings.Contains(lower, "do not match the hashes") {
		return ""
	}
	why := ""
	if _, after, found := strings.Cut(text, "No solution found"); found { // uv
		why = after
		if _, because, found := strings.Cut(after, "Because "); found {
			why, _, _ = strings.Cut(because, ", we can conclude")
		}
	} else if at := strings.LastIndex(text, "No matching distribution found"); at >= 0 { // pip
		why, _, _ = strings.Cut(text[at:], " (from")
	}
	why = strings.TrimSpace(strings.TrimLeft(why, " :"))
	if len(why) > lackBytes {
		why = strings.ToValidUTF8(why[:lackBytes], "") + "..."
	}
	return why
}
