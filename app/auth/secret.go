package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const keyBytes = 32 // AES-256

// ErrSealed says that a secret was sealed with another key: the key file was lost, or is not the one that
// belongs to this database.
var ErrSealed = errors.New("it was sealed with another key")

// Key seals the secrets that must be read again, so that the database alone gives none of them away. The
// zero value seals nothing: use LoadKey or NewKey.
type Key struct{ aead cipher.AEAD }

// NewKey makes a key of 32 bytes, which it takes from the system if there are none.
func NewKey(b []byte) (Key, error) {
	if b == nil {
		b = make([]byte, keyBytes)
		rand.Read(b) // never fails: https://pkg.go.dev/crypto/rand#Read
	}
	if len(b) != keyBytes {
		return Key{}, fmt.Errorf("a key has %d bytes, this one %d; make one with: openssl rand -base64 32", keyBytes, len(b))
	}
	block, err := aes.NewCipher(b)
	if err != nil {
		return Key{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return Key{aead}, err
}

// ParseKey reads a key in base64, as BURSAR_SECRET_KEY and the key file hold it. Its error never repeats
// the key.
func ParseKey(text string) (Key, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return Key{}, errors.New("it is not base64; make a key with: openssl rand -base64 32")
	}
	return NewKey(b)
}

// LoadKey reads the key in a file, which it makes for the owner alone where there is none. A file that
// others may read is refused: whoever has it and a copy of the database has the secrets.
func LoadKey(path string) (Key, error) {
	text, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = createKey(path); err == nil {
			text, err = readKey(path)
		}
	}
	if err != nil {
		return Key{}, fmt.Errorf("the key file: %w", err)
	}
	key, err := ParseKey(text)
	if err != nil {
		return Key{}, fmt.Errorf("the key file %s: %w", path, err)
	}
	return key, nil
}

func readKey(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", fmt.Errorf("%s can be read by others (mode %04o); run: chmod 600 %s", path, mode, path)
	}
	text, err := os.ReadFile(path)
	return string(text), err
}

// createKey puts a whole file in place or none: a crash half way leaves no key that fits nothing. Of two
// programs that start at once the slower one takes the key of the other.
func createKey(path string) error {
	b := make([]byte, keyBytes)
	rand.Read(b)
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(b) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Seal encrypts a secret. about says what it is and whose: a secret copied to another place does not open.
func (k Key) Seal(secret, about string) []byte {
	return k.aead.Seal(nil, nil, []byte(secret), []byte(about))
}

// Open gives a sealed secret, or ErrSealed.
func (k Key) Open(sealed []byte, about string) (string, error) {
	secret, err := k.aead.Open(nil, nil, sealed, []byte(about))
	if err != nil {
		return "", ErrSealed
	}
	return string(secret), nil
}
