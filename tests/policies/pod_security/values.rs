//! What a check may be asked of: what it allows, what is nearly that, and what it refuses. Their types are those of the API,
//! since no admission sees others.

use serde_json::{Value, json};

pub fn booleans() -> Vec<Value> {
    vec![json!(true), json!(false), Value::Null]
}

pub fn capabilities() -> Vec<Value> {
    let names = [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
        "ALL",
        "all",
        "NET_RAW",
        "SYS_ADMIN",
        "CAP_CHOWN",
        "chown",
        "",
        "NET_BIND_SERVICE ",
    ];
    names.iter().map(|name| json!(name)).chain([Value::Null]).collect()
}

pub fn dropped() -> Vec<Value> {
    vec![
        json!(["ALL"]),
        json!(["all"]),
        json!(["NET_RAW", "ALL"]),
        json!(["CHOWN"]),
        json!([]),
        json!([null]),
        json!([""]),
        Value::Null,
    ]
}

pub fn proc_mounts() -> Vec<Value> {
    vec![json!("Default"), json!("Unmasked"), json!("default"), json!(""), Value::Null]
}

/// Of seccomp and of `AppArmor`.
pub fn profiles() -> Vec<Value> {
    vec![
        json!({"type": "RuntimeDefault"}),
        json!({"type": "Localhost", "localhostProfile": "a.json"}),
        json!({"type": "Localhost"}),
        json!({"type": "Unconfined"}),
        json!({"type": "runtimeDefault"}),
        json!({"type": ""}),
        json!({"type": null}),
        json!({}),
        Value::Null,
    ]
}

pub fn profile_annotations() -> Vec<Value> {
    let values = [
        "runtime/default",
        "docker/default",
        "localhost/a",
        "localhost/",
        "localhost",
        "unconfined",
        "",
        "Runtime/default",
        "runtime/default ",
    ];
    values.iter().map(|value| json!(value)).collect()
}

pub fn se_linux_options() -> Vec<Value> {
    let types = [
        "",
        "container_t",
        "container_init_t",
        "container_kvm_t",
        "container_engine_t",
        "container_engine_t ",
        "spc_t",
        "Container_t",
    ];
    let with_type = types.iter().map(|of| json!({"type": of}));
    let others = [
        json!({}),
        json!({"user": "", "role": "", "level": "s0"}),
        json!({"user": "system_u"}),
        json!({"role": "system_r"}),
        json!({"type": null, "user": null}),
        json!({"level": "s0:c1"}),
        Value::Null,
    ];
    with_type.chain(others).collect()
}

pub fn sysctls() -> Vec<Value> {
    let names = [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
        "net.ipv4.tcp_notsent_lowat",
        "net.ipv4.tcp_slow_start_after_idle",
        "kernel.shm_rmid_forced ",
        "kernel/shm_rmid_forced",
        "kernel.msgmax",
        "net.ipv4.tcp_mem",
        "",
    ];
    names.iter().map(|name| json!({"name": name, "value": "1"})).chain([json!({}), Value::Null]).collect()
}

pub fn windows_options() -> Vec<Value> {
    let set = booleans().into_iter().map(|flag| json!({"hostProcess": flag}));
    set.chain([json!({}), json!({"runAsUserName": "x"}), Value::Null]).collect()
}

pub fn users() -> Vec<Value> {
    vec![json!(0), json!(1), json!(-1), json!(65_534), json!(1_000_000_000_000_u64), Value::Null]
}

pub fn operating_systems() -> Vec<Value> {
    let names = ["linux", "windows", "Windows", ""];
    names.iter().map(|name| json!({"name": name})).chain([json!({}), Value::Null]).collect()
}

pub fn host_ports() -> Vec<Value> {
    let ports = [json!(0), json!(1), json!(80), json!(65_535), json!(-1), Value::Null];
    let set = ports.into_iter().map(|port| json!({"containerPort": 80, "hostPort": port}));
    set.chain([
        json!({"containerPort": 80}),
        json!({"name": "x", "containerPort": 80, "hostIP": "10.0.0.1"}),
        Value::Null,
    ])
    .collect()
}

/// Of a probe or a hook of the life cycle.
pub fn handlers() -> Vec<Value> {
    let hosts = [json!(""), json!("127.0.0.1"), json!("localhost"), json!("::1"), json!("example.com"), Value::Null];
    let of =
        |action: &'static str| hosts.clone().into_iter().map(move |host| json!({action: {"port": 80, "host": host}}));
    let others = [
        json!({}),
        json!({"httpGet": null}),
        json!({"httpGet": {"port": "web"}}),
        json!({"exec": {"command": ["x"]}}),
        json!({"httpGet": {"port": 1}, "tcpSocket": {"port": 1, "host": "h"}}),
        Value::Null,
    ];
    of("httpGet").chain(of("tcpSocket")).chain(others).collect()
}

const VOLUMES: [&str; 30] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
];

pub fn volumes() -> Vec<Value> {
    let of = |kind: &str| json!({"name": "v", kind: {}});
    let pairs = [("hostPath", "emptyDir"), ("nfs", "secret"), ("hostPath", "nfs"), ("emptyDir", "csi")];
    let both = pairs.iter().map(|(one, other)| json!({"name": "v", *one: {}, *other: {}}));
    let void = [json!({"name": "v"}), json!({"name": "v", "emptyDir": null}), json!({"hostPath": null}), Value::Null];
    VOLUMES.iter().map(|kind| of(kind)).chain(both).chain(void).collect()
}
