#!/bin/sh
# Puts together the root folder of the image: rootfs.sh BINARY FOLDER. Only what the binary needs to start goes into it.
set -eu
binary=$1
root=$2

mkdir -p "$root/etc/ssl/certs" "$root/usr/share/sbom" "$root/tmp" "$root/state"
chmod 1777 "$root/tmp"
cp "$binary" "$root/bylaw"
chmod 0555 "$root/bylaw"

# The loader and the libraries, where the loader looks for them.
ldd "$binary" | sed -n 's,.*[[:space:]]\(/[^[:space:]]*\)[[:space:]](0x.*,\1,p' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done

# Names are resolved by the C library, which loads these by name.
libc=$(ldd "$binary" | sed -n 's,.*[[:space:]]\(/[^[:space:]]*/libc\.so\.6\)[[:space:]].*,\1,p')
for library in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2; do
    if [ -e "$(dirname "$libc")/$library" ]; then
        cp -L "$(dirname "$libc")/$library" "$root$(dirname "$libc")/$library"
    fi
done
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"

if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
fi
printf 'root:x:0:0:root:/:/none\nbylaw:x:65532:65532:bylaw:/state:/none\n' > "$root/etc/passwd"
printf 'root:x:0:\nbylaw:x:65532:\n' > "$root/etc/group"
# Kept by a volume in a cluster; without one it goes with the container.
chown 65532:65532 "$root/state" 2>/dev/null || chmod 0777 "$root/state"
