#!/bin/bash
# openssl's algorithms by known answers, for a guest. With OPENSSL_armcap=0 it does without the CPU's instructions for them. Says what is wrong,
# then how many were right and wrong; status 1 if any was wrong. Few processes: they are what takes the time.
set -u
right=0 wrong=0
dir=$(mktemp -d) && cd "$dir" || exit 1

# is NAME EXPECTED COMMAND...: whether the command prints that, letting case, blanks, colons, line ends and what is behind an asterisk be.
is()
{
    local name=$1 expected=${2//[[:space:]]/} got
    shift 2
    got=$("$@" 2>&1)
    got=${got//[[:space:]:]/} got=${got%%\**}
    got=${got,,}
    if [ "$got" = "$expected" ]; then
        right=$((right + 1))
    else
        wrong=$((wrong + 1))
        echo "wrong: $name: $got instead of $expected"
    fi
}

hex()
{
    local h=${1//[[:space:]]/} bytes='' i
    for ((i = 0; i < ${#h}; i += 2)); do bytes+="\\x${h:i:2}"; done
    printf '%b' "$bytes"
}
# digest NAME TEXT [OPTION...]
digest() { printf '%s' "$2" | openssl dgst -r "-$1" "${@:3}"; }
million() { head -c 1000000 /dev/zero | tr '\0' a | openssl dgst -r "-$1"; }
# cipher NAME KEY IV HEX [OPTION...]; an IV of - is none
cipher()
{
    local iv=(-iv "$3")
    [ "$3" != - ] || iv=()
    hex "$4" | openssl enc "-$1" -K "$2" "${iv[@]}" -nopad "${@:5}" | od -An -v -tx1
}
# bulk NAME KEY [OPTION...]: of a million zeros, its SHA-256.
bulk() { head -c 1000000 /dev/zero | openssl enc "-$1" -K "$2" -iv "$count16" -nopad "${@:3}" | openssl dgst -r -sha256; }
mac() { openssl mac -in "$@"; }
derive() { openssl kdf -keylen "$@"; }
# DER of a key with its secret part: hex -> file
key_file() { hex "$2" >"$1.der" && openssl pkey -inform DER -in "$1.der" -out "$1.pem" && openssl pkey -in "$1.pem" -pubout -out "$1.pub"; }
sign() { openssl pkeyutl -sign -inkey "$1.pem" -rawin -in "$2" "${@:3}" | od -An -v -tx1; }
verify() { openssl dgst -sha256 -verify "$1.pub" -signature "$2" "$3"; }

key128=2b7e151628aed2a6abf7158809cf4f3c
key256=603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4
count16=000102030405060708090a0b0c0d0e0f
count32=${count16}101112131415161718191a1b1c1d1e1f
block=00112233445566778899aabbccddeeff
china=0123456789abcdeffedcba9876543210
# The plaintext of all examples of SP 800-38A.
plain="6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51 30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710"
cbc="7649abac8119b246cee98e9b12e9197d 5086cb9b507219ee95db113a917678b2 73bed6b8e3c1743b7116e69e22229516 3ff1caa1681fac09120eca307586e1a7"
ctr="601ec313775789a5b7a7f504bbf3d228 f443e3ca4d62b59aca84e990cacaf5c5 2b0930daa23de94ce87017ba2d84988d dfc9c58db67aada613c2dd08457941a6"

symmetric()
{
    hex "$plain" >blocks
    hex 7a43ec1d9c0a5a78a0b16533a6213cab >aad
    printf 'Cryptographic Forum Research Group' >group
    head -c 100000 /dev/zero | openssl enc -aes-256-ctr -K $key256 -iv $count16 >noise
    is "AES-128, FIPS 197 C.1" 69c4e0d86a7b0430d8cdb78070b4c55a cipher aes-128-ecb $count16 - $block
    is "AES-192, FIPS 197 C.2" dda97ca4864cdfe06eaf70a0ec0d7191 cipher aes-192-ecb ${count32:0:48} - $block
    is "AES-256, FIPS 197 C.3" 8ea2b7ca516745bfeafc49904b496089 cipher aes-256-ecb $count32 - $block
    is "AES-256 back" $block cipher aes-256-ecb $count32 - 8ea2b7ca516745bfeafc49904b496089 -d
    is "CBC, SP 800-38A F.2.1" "$cbc" cipher aes-128-cbc $key128 $count16 "$plain"
    is "CBC, SP 800-38A F.2.2" "$plain" cipher aes-128-cbc $key128 $count16 "$cbc" -d
    is "CTR, SP 800-38A F.5.5" "$ctr" cipher aes-256-ctr $key256 f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff "$plain"
    is "CMAC, RFC 4493 example 4" 51f0bebf7e3b9d92fc49741779363cfe mac blocks -cipher AES-128-CBC -macopt hexkey:$key128 CMAC
    is "GMAC" 209fcc8d3675ed938e9c7166709dd946 mac aad -cipher AES-128-GCM \
        -macopt hexkey:77be63708971c4e240d1cb79e8d77feb -macopt hexiv:e0e00f19fed7ba0136a797f3 GMAC
    is "Camellia, RFC 3713 A" 67673138549669730857065648eabe43 cipher camellia-128-ecb $china - $china
    is "SM4, GB/T 32907 A.1" 681edf34d206965e86b3e94f536e4246 cipher sm4-ecb $china - $china
    is "ChaCha20, RFC 8439 2.4.2" "6e2e359a2568f98041ba0728dd0d6981 e97e7aec1d4360c20a27afccfd9fae0b f91b65c5524733ab8f593dabcd62b357
        1639d624e65152ab8f530c359f0861d8 07ca0dbf500d6a6156a38e088a22b65e 52bc514d16ccf806818ce91ab7793736 5af90bbf74a35be6b40b8eedf2785e42
        874d" cipher chacha20 $count32 01000000000000000000004a00000000 "$(printf '%s' "Ladies and Gentlemen of the class of '99: If I could offer\
 you only one tip for the future, sunscreen would be it." | od -An -v -tx1 | tr -d ' \n')"
    is "Poly1305, RFC 8439 2.5.2" a8061dc1305136c6c22b8baf0c0127a9 mac group \
        -macopt hexkey:85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b Poly1305
    # Many blocks at a time, where there are no published examples: what x86-64 makes of it.
    is "many blocks, CBC" 16eca57d7f23fb4ecd4af0e74b5d0b2754efeeb95e991a052e075a72c173ecc7 bulk aes-256-cbc $key256
    is "many blocks, CBC back" 21ca8be3b9291059be568461319d0550e5b584fa3a21e1991f7d72b74ce1807f bulk aes-256-cbc $key256 -d
    is "many blocks, CTR" b65ca3c758be6c76670285d33c883c5bb670427a8b4ec2ea632a6c0c7b88f056 bulk aes-256-ctr $key256
    is "many blocks, ChaCha20" 3a6c1c009b0ac95bf11707cf006f5e27fbcae048ad6eefd7fea7e63df804e863 bulk chacha20 $key256
    is "many blocks, SM4" 74acf58a142adecafa3171c58c07f983eaad56f63a14a7e0a8e83a17d1af43aa bulk sm4-ctr $count16
    is "many blocks, GMAC" 467c0c7ffe0ecdb80889bf602bda1053 mac noise -cipher AES-256-GCM -macopt hexkey:$key256 \
        -macopt hexiv:${count16:0:24} GMAC
    is "many blocks, Poly1305" 92667025d8a1895409b6131c4743995c mac noise -macopt hexkey:$key256 Poly1305
}

digests()
{
    is MD5 900150983cd24fb0d6963f7d28e17f72 digest md5 abc
    is SHA-1 a9993e364706816aba3e25717850c26c9cd0d89d digest sha1 abc
    is SHA-224 23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7 digest sha224 abc
    is SHA-256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad digest sha256 abc
    is SHA-384 "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163 1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7" digest sha384 abc
    is SHA-512 "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" \
        digest sha512 abc
    is SHA3-256 3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532 digest sha3-256 abc
    is SHA3-512 "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e 10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0" \
        digest sha3-512 abc
    is SHAKE128 5881092dd818bf5cf8a3ddb793fbcba74097d5c526a6d35f97b83351940f2cc8 digest shake128 abc -xoflen 32
    is SM3 66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0 digest sm3 abc
    is BLAKE2b "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1 7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923" \
        digest blake2b512 abc
    is "SHA-1 of a million" 34aa973cd4c4daa4f61eeb2bdbad27316534016f million sha1
    is "SHA-256 of a million" cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0 million sha256
    is "SHA-512 of a million" "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb
        de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b" \
        million sha512
    is "SHA3-256 of a million" 5c8875ae474a3634ba4fd55ec85bffd661f32aca75c6d699d0cdcb6c115891c1 million sha3-256
    is "HMAC, RFC 4231 4.3" 5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843 digest sha256 "what do ya want for nothing?" -hmac Jefe
    is "HKDF, RFC 5869 A.1" "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c 5db02d56ecc4c5bf34007208d5b887185865" derive 42 -kdfopt digest:SHA256 \
        -kdfopt hexkey:0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b -kdfopt hexsalt:000102030405060708090a0b0c \
        -kdfopt hexinfo:f0f1f2f3f4f5f6f7f8f9 HKDF
    is "PBKDF2, RFC 7914 11" "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc
        49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783" \
        derive 64 -kdfopt digest:SHA256 -kdfopt pass:passwd -kdfopt salt:salt -kdfopt iter:1 PBKDF2
    is "scrypt, RFC 7914 12" "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162
        2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640" \
        derive 64 -kdfopt pass:password -kdfopt salt:NaCl -kdfopt n:1024 -kdfopt r:8 -kdfopt p:16 SCRYPT
}

keys()
{
    # RFC 8032 7.1, test 3.
    hex af82 >short
    key_file ed 302e020100300506032b657004220420c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7
    is Ed25519 "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac 18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" \
        sign ed short
    # RFC 7748 6.1.
    key_file x 302e020100300506032b656e0422042077076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a
    hex 302a300506032b656e032100de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f | openssl pkey -pubin -inform DER -out bob.pub
    openssl pkeyutl -derive -inkey x.pem -peerkey bob.pub -out secret
    is X25519 4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742 od -An -v -tx1 secret
    # RFC 6979 A.2.5, the signature of "sample"; then one of our own, and one of something else.
    printf sample >sample && printf Sample >other
    key_file p256 "30770201010420 c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721 a00a06082a8648ce3d030107 a14403420004
        60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6 7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
    hex "3046022100 efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716
        022100 f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8" >signature
    is "ECDSA P-256" verifiedok verify p256 signature sample
    openssl dgst -sha256 -sign p256.pem -out own sample
    is "ECDSA P-256, own" verifiedok verify p256 own sample
    is "ECDSA P-256, other" verificationfailure eval 'verify p256 own other | head -n 1'
    # A key made for this; what x86-64 makes of it.
    base64 -d <<'END' >rsa.der
MIIEogIBAAKCAQEA6X53tvvMPwj57XwgZ1Yyo/15P75MB6gv+W7fXwSUkH0fLiZ/HtloEN9otMW8rVSH5YNRAmRo1/3APAVUMFya0jxlOTs4EU+pf10eBceuhzlF/63yl3DplKLqAm/E
WpyON2wH5ZeJ0fqTsr1q27uWOpf+wXQeGo7EGGYptinwzmeqRsOEVvkZxb8DJeyB9BeUp2xXSlfLPhsCUEMxhOeuwmrXgfxHL1WLve6HM8EsdK2I9/GPPxeZ4Ijotf5o7rT1jAgt6LGZ
fBCA6Ma8OmxqwhKGJMX4AfJp36VM5VCKmfaX53YPSWsnFbPBI0SEiMNzsE1LCo5/OGRCYO52Lz/RmQIDAQABAoIBAB7gs16usk40tu51v4hC4SwIIXBxTzclAgEjrSTw41+vOEAfZaiz
+fvfO4bKbn7igp0yrjQZiLbljvYxAzbpDC1YwM8eenXpmcHm08lSZI1r4Mqk24O08iLOn5EmbCpKcVE5d1rgnSB4WW9l9rtrtXx2rMEzBKcg8aRDYGk/ZyG4WaF1h74qgL1S3OD78ir8
AUBODT1pJyFq2p8BxOuUC1kSbBHbaj4EAU0Rp1ONxUTjCVtcstWIeUOCYEKHEqm2sXAop3nunTH8+Ly14MyANzsyBvDLdc4UqwkTiNtRFu/tPELytG5WsWFhmgar+ssMFeU1gWqyK9VA
n1CJTUefQG0CgYEA+e7+hFFsgb7mUACBhWiP9QjtJFnBxbN8dEnypQpZK27snJ+hXVQb0Ic66odKQRW7NrKrsPxK9M0Z5bJysjyO8la9KC5vPZ3CSUtYOYTUOizpk4pkDG1bNkVNXQUt
KZXAp+nTTVZR/R8yLYk4h5e4m/8DNwXy6yjpG/PyUQEXNrUCgYEA7ylSyOXLuEApjBQ9P+EeciSx03sbxPB9VoTnW6n9GUX05TzFngMBkeM4fhpZ37S+9kjJTMdQNsBWr7+ikhFF5uKs
Cz3ElN/BX2AXncrD+wweCWO/R7OP7KM5nFTJOnQxNK8LBgioUlT/01KBVFoEaYz9aHvdkrvHT/Ojf8xdOdUCgYBwwO81xn4LMpI4uWG1S+zWAMbrRUrz4/tbgxjid/6uZ4Z7SlDEB/Pc
aYWc1JgdMK6bCJQIbmlqczUhuRWhb0yV66e+fuRUid1ir4kHufL8o9Jka2Sjbppdq3oxYupy/kpB9m0LUMwAQ5ihjmxgT4RLbAqJQjfK+1Pe9nj1LmbImQKBgEKkizL8BbaD+o/UG/Uu
7+LyorLBfU11jheL1URPq/1c5w7xzkdnowpZ/KX3BdA2d3f9dEp2x71Z/03d4pk9QvNBeptvTNYHO8Ut66bGl7HfAIexSd3bBWH1YdpULfah5gw+Mp4tz2mR0e+679rnco9PAFYbHfUD
ali3FXpJIjk5AoGAK1SzuK2Ql4OKEcwUQTvDBkYdduhSi2C4NhQG7zFaZVgQV2MCRaST/XtQ0y0GiEu9Q26i9N0+IQjbznA/7RL9E7Kk82TqNdeywiMApftiJiRUOJlXGBlcLWYv2eyk
kzBB+aJoVVfM6tlJprVQYP4LieiK/AvoI0Pyrh0ctfa36JI=
END
    openssl rsa -inform DER -in rsa.der -out rsa.pem 2>/dev/null && openssl pkey -in rsa.pem -pubout -out rsa.pub
    openssl dgst -sha256 -sign rsa.pem -out signature sample
    is "RSA, PKCS 1 1.5" 8e8f4563dea5bb0868aa12edc84ca68c7f9329a09faff2e4b7c200d3d31036b1 openssl dgst -r -sha256 signature
    is "RSA, verified" verifiedok verify rsa signature sample
    openssl dgst -sha256 -sign rsa.pem -sigopt rsa_padding_mode:pss -out signature sample
    is "RSA, PSS" verifiedok openssl dgst -sha256 -verify rsa.pub -sigopt rsa_padding_mode:pss -signature signature sample
    openssl pkeyutl -encrypt -pubin -inkey rsa.pub -pkeyopt rsa_padding_mode:oaep -in sample -out sealed
    is "RSA, OAEP" sample openssl pkeyutl -decrypt -inkey rsa.pem -pkeyopt rsa_padding_mode:oaep -in sealed
}

symmetric
digests
keys
rm -rf "$dir"
echo "$right right, $wrong wrong"
[ $wrong = 0 ]
