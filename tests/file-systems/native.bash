# shellcheck shell=bash
# How to make and mount the file systems that are part of the kernel. Sourced by `run` and by
# ../kernels/in-guest.

# mount_native KIND DIR: makes a new file system of this kind and mounts it on DIR, which exists. Its
# image, if it has one, is DIR.image.
mount_native() {
    local kind=$1 dir=$2
    case $kind in
    tmpfs | ramfs) mount -t "$kind" "$kind" "$dir" ;;
    ext2 | ext3 | ext4) mount_image "$dir" 64M "mkfs.$kind" -q ;;
    ext4-without-journal) mount_image "$dir" 64M mkfs.ext4 -q -O ^has_journal ;;
    xfs) mount_image "$dir" 300M mkfs.xfs -q ;;
    btrfs) mount_image "$dir" 128M mkfs.btrfs -q ;;
    # Both layers are on one file system, of the kind that comes last in the name.
    overlay-on-*)
        mount_native "${kind#overlay-on-}" "$dir" &&
            mkdir "$dir"/{lower,upper,work} &&
            mount -t overlay -o "lowerdir=$dir/lower,upperdir=$dir/upper,workdir=$dir/work" \
                overlay "$dir"
        ;;
    *) echo "no such file system: $kind" >&2 && return 1 ;;
    esac
}

# mount_image DIR SIZE MKFS...
mount_image() {
    local dir=$1 size=$2
    shift 2
    truncate -s "$size" "$dir.image" &&
        "$@" "$dir.image" &&
        mount -o loop "$dir.image" "$dir"
}
