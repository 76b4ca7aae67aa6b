/** A time server with this machine's clock on the NTP port, run by a test inside a network namespace. */
import { createSocket } from 'node:dgram';
import { NTP_PORT } from '../../../client/doctor/sntp.ts';
import { timeAnswer } from './time-answer.ts';

const socket = createSocket('udp4');
socket.on('message', (question, { port, address }) => socket.send(timeAnswer(question, Date.now(), 0), port, address));
socket.bind(NTP_PORT, () => console.log('telling'));
