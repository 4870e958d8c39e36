// Package backup writes copies of the file, which it encrypts for a key that the server does not have, and restores
// them. A restored file is quiet: what it would send or do again, because it does not know that it was done after the
// copy was made, is stopped (quiet.go).
package backup

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
)

// ParseRecipients reads the public keys that backups are encrypted for, as in BURSAR_BACKUP_TO. An empty list is none.
func ParseRecipients(list string) ([]age.Recipient, error) {
	var recipients []age.Recipient
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimSpace(one)
		if one == "" {
			continue
		}
		if strings.HasPrefix(strings.ToUpper(one), "AGE-SECRET-KEY-") {
			return nil, errors.New("this is the secret key, which must not be on the server; set the public one (age1…), which stands beside it in its file")
		}
		parsed, err := age.ParseRecipients(strings.NewReader(one))
		if err != nil {
			return nil, fmt.Errorf("%q is not a public key like age1…; bursar backup --new-key FILE makes one", one[:min(len(one), 80)])
		}
		recipients = append(recipients, parsed...)
	}
	if len(recipients) == 0 {
		return nil, nil
	}
	// Keys of different kinds may not go together.
	if _, err := age.Encrypt(io.Discard, recipients...); err != nil {
		return nil, fmt.Errorf("these keys do not go together: %w", err)
	}
	return recipients, nil
}

// NewKey makes a key, writes it to a new file for its owner alone, and returns its public half.
func NewKey(path string) (public string, err error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	public = identity.Recipient().String()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	_, err = fmt.Fprintf(f, "# opens Bursar's backups; keep it off the server, and twice\n# public key: %s\n%s\n", public, identity)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("write the key to %s: %w", path, err)
	}
	return public, nil
}

// ReadKey reads the secret keys of a file, as NewKey or age-keygen wrote it.
func ReadKey(path string) ([]age.Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	defer f.Close()
	keys, err := age.ParseIdentities(f)
	if err != nil { // its text may repeat a part of the key
		return nil, fmt.Errorf("%s is not a file with a secret key (AGE-SECRET-KEY-1…), as bursar backup --new-key or age-keygen writes it", path)
	}
	return keys, nil
}
