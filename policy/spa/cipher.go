package spa

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
)

// A mode en- or decrypts whole blocks in place. The length of data must be a multiple
// of the block size; iv is one block and may be overwritten.
type mode struct {
	name             string
	encrypt, decrypt func(b cipher.Block, iv, data []byte)
	// last decrypts the last block of data, which is left as it is, into dst. nil: not
	// without all blocks, or not without the initialisation vector.
	last func(b cipher.Block, dst, data []byte)
	// hidesRepeats: two messages with the same salt show nothing of what is in them, as
	// their first blocks differ.
	hidesRepeats bool
}

// modes are those of libfko; "legacy" differs from "cbc" in the key only. libfko names
// PCBC too, but does not implement it.
var modes = [...]mode{
	{"cbc", cbcEncrypt, cbcDecrypt, cbcLast, true},
	{"legacy", cbcEncrypt, cbcDecrypt, cbcLast, true},
	{"ctr", ctr, ctr, nil, false},
	{"ofb", ofb, ofb, nil, false},
	{"cfb", cfbEncrypt, cfbDecrypt, cfbLast, false},
	{"ecb", ecbEncrypt, ecbDecrypt, ecbLast, false},
}

// modeOf returns nil for an unknown name; "" is "cbc".
func modeOf(name string) *mode {
	if name == "" {
		name = "cbc"
	}
	for i := range modes {
		if modes[i].name == name {
			return &modes[i]
		}
	}
	return nil
}

func cbcEncrypt(b cipher.Block, iv, data []byte) {
	cipher.NewCBCEncrypter(b, iv).CryptBlocks(data, data)
}

// cbcDecrypt decrypts from the last block to the first, as each needs the one before it
// still encrypted. Unlike the decrypter of crypto/cipher it does not copy the key
// schedule for every packet.
func cbcDecrypt(b cipher.Block, iv, data []byte) {
	for n := len(data) - aes.BlockSize; n > 0; n -= aes.BlockSize {
		block := data[n : n+aes.BlockSize]
		b.Decrypt(block, block)
		subtle.XORBytes(block, block, data[n-aes.BlockSize:n])
	}
	b.Decrypt(data, data)
	subtle.XORBytes(data[:aes.BlockSize], data, iv)
}

// cbcLast, like cfbLast, needs two blocks of data.
func cbcLast(b cipher.Block, dst, data []byte) {
	before, last := lastBlocks(data)
	b.Decrypt(dst, last)
	subtle.XORBytes(dst, dst, before)
}

// lastBlocks returns the last two blocks of data.
func lastBlocks(data []byte) (before, last []byte) {
	last = data[len(data)-aes.BlockSize:]
	return data[len(data)-2*aes.BlockSize : len(data)-aes.BlockSize], last
}

// ctr increments the whole initialisation vector, big-endian.
func ctr(b cipher.Block, iv, data []byte) {
	cipher.NewCTR(b, iv).XORKeyStream(data, data)
}

func ofb(b cipher.Block, iv, data []byte) {
	for ; len(data) > 0; data = data[aes.BlockSize:] {
		b.Encrypt(iv, iv)
		subtle.XORBytes(data[:aes.BlockSize], data, iv)
	}
}

// cfbEncrypt and cfbDecrypt are CFB-128.
func cfbEncrypt(b cipher.Block, iv, data []byte) {
	for ; len(data) > 0; data = data[aes.BlockSize:] {
		b.Encrypt(iv, iv)
		subtle.XORBytes(data[:aes.BlockSize], data, iv)
		copy(iv, data)
	}
}

func cfbDecrypt(b cipher.Block, iv, data []byte) {
	var stream [aes.BlockSize]byte
	for ; len(data) > 0; data = data[aes.BlockSize:] {
		b.Encrypt(stream[:], iv)
		copy(iv, data)
		subtle.XORBytes(data[:aes.BlockSize], data, stream[:])
	}
}

func cfbLast(b cipher.Block, dst, data []byte) {
	before, last := lastBlocks(data)
	b.Encrypt(dst, before)
	subtle.XORBytes(dst, dst, last)
}

func ecbEncrypt(b cipher.Block, _, data []byte) {
	for ; len(data) > 0; data = data[aes.BlockSize:] {
		b.Encrypt(data, data)
	}
}

func ecbDecrypt(b cipher.Block, _, data []byte) {
	for ; len(data) > 0; data = data[aes.BlockSize:] {
		b.Decrypt(data, data)
	}
}

func ecbLast(b cipher.Block, dst, data []byte) {
	b.Decrypt(dst, data[len(data)-aes.BlockSize:])
}
