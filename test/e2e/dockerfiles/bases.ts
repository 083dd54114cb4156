import type { Case } from './case.ts';

/** An image that cases build on; all are built on Alpine by Docker's classic builder, in this order. */
export interface Base {
  readonly name: string;
  readonly dockerfile: string;
  readonly files?: Case['files'] | undefined;
}

export const BASES: readonly Base[] = [
  {
    name: 'users',
    dockerfile: `
      FROM alpine
      RUN printf 'app:x:1234:2345::/home/app:/bin/sh\\nlone:x:1300:1300::/:/bin/sh\\nhuge:x:4294967295:1::/:/bin/sh\\n' >> /etc/passwd \\
       && printf 'staff2:x:3456:\\nextra:x:3500:app\\n' >> /etc/group`,
  },
  {
    // Folders that are links, as in a merged /usr, and a link that climbs out.
    name: 'linked',
    dockerfile: `
      FROM alpine
      RUN mkdir -p /srv/data /srv/deep/er /real && ln -s /srv/data /data && ln -s srv/deep/er /relative \\
       && ln -s ../../../../../../real /climbs && ln -s /nowhere/at/all /dangling \\
       && echo old > /srv/data/old && ln -s old /srv/data/alias && ln -s loop /loop`,
  },
  {
    name: 'configured',
    dockerfile: `
      FROM alpine
      ENV A=base B="two words"
      LABEL base=yes shared=base
      EXPOSE 80 53/udp
      VOLUME /vol
      WORKDIR /work
      STOPSIGNAL SIGUSR1
      HEALTHCHECK --interval=5s CMD true
      SHELL ["/bin/sh", "-ec"]
      ENTRYPOINT ["/bin/echo"]
      CMD ["base"]
      USER 1000:1001`,
  },
  {
    name: 'triggers',
    dockerfile: `
      FROM alpine
      ONBUILD ARG WHO=nobody
      ONBUILD COPY f /onbuild/
      ONBUILD RUN echo $WHO > /onbuild/who
      ONBUILD ENV FIRED=yes
      ONBUILD WORKDIR /onbuild`,
  },
  {
    name: 'trigger-from',
    dockerfile: `
      FROM alpine
      ONBUILD COPY --from=configured /etc/alpine-release /from-image
      ONBUILD COPY --from=helper /made /from-stage`,
  },
  {
    name: 'modes',
    files: { f: 'f\n' },
    dockerfile: `
      FROM alpine
      RUN mkdir -p /d/private /d/sticky /d/setgid && echo a > /d/a && ln /d/a /d/b && echo s > /d/suid \\
       && chown -R 5:6 /d && chmod 0700 /d/private && chmod 1777 /d/sticky && chmod 2775 /d/setgid \\
       && chmod 4755 /d/suid && echo p > /d/private/p && ln -s a /d/link && mkfifo /d/fifo`,
  },
];
